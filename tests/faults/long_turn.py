"""A turn whose answer is larger than what may wait on the way to a reader, many times."""

import asyncio
from typing import Any, Final

from tests.conformance.chat import Chat, RawSocket
from tests.faults.evidence import Seen, answer_of, check_message, check_order, data_of
from tests.faults.sizes import SIZES
from tests.upstream import ROLE, chunk, stream

FILLER: Final = "and so on "


class LongTurn:
    """Thousands of deltas, which come when `gate` is opened; a start, a title and two words before that.

    Args:
        filled: how often `FILLER` is in each delta.
    """

    def __init__(self, message: str, *, filled: int = 20) -> None:
        self.message = message
        self.gate = asyncio.Event()
        self.input: dict[str, Any] = {"message": message, "clientMessageId": "mine"}
        self._filled = filled

    async def plan(self, chat: Chat, direct: RawSocket) -> None:
        """Make its conversation."""
        deltas = [chunk({"content": f"{number} {FILLER * self._filled}"}) for number in range(SIZES.deltas)]
        begin = [ROLE, chunk({"content": "one "}), chunk({"content": "two "})]
        chat.playbook.script(self.message, stream(*begin, *deltas, chunk({}, "stop")).hold(3, self.gate))
        self.input["conversationId"] = await direct.new_conversation()

    def check(self, chat: Chat, seen: Seen) -> None:
        """What a reader has seen, pieces joined or not, is the whole of it."""
        check_order(seen)
        answer = answer_of(chat, self.input["conversationId"], seen[0]["data"]["turnId"])
        check_message(answer, data_of(seen))
        assert answer["status"] == "ok"
        assert answer["content"].count(FILLER) == SIZES.deltas * self._filled
        assert len(chat.playbook.requests(self.message)) == 1
