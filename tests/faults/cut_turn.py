"""A turn with everything in it, whose reader's connection is cut once."""

from typing import Any, Final, Literal

from tests.conformance.chat import Chat, RawSocket, read
from tests.conformance.client import StockClient
from tests.faults.cuts import Cuts
from tests.faults.evidence import check_turn, number_of, read_through
from tests.faults.story import ROUNDS, TEXT, TYPES, Story

Asking = Literal["message", "again", "otherwise"]
"""Whether the turn answers a new message, an old one again, or an old one that is said otherwise."""

STREAM_MESSAGE: Final = "conversations.streamMessage"
REGENERATE: Final = "conversations.regenerate"


class CutTurn:
    """One such turn, in a conversation of its own.

    Args:
        number: of the event at which the connection is cut, from 1.
        early: bytes before its end; 0 cuts after it.
        paced: as for `Story`.
    """

    def __init__(
        self, message: str, *, number: int, early: int = 0, paced: bool, asking: Asking = "message"
    ) -> None:
        self._asking = asking
        self._old = f"{message} once"
        self._message = self._old if asking == "again" else message
        self._number = number
        self._early = early
        # A title comes with the first message only.
        self._types = [each for each in TYPES if each != "title" or asking == "message"]
        self._story = Story(paced=paced, silent=len(self._types) - len(TYPES) + 2)
        self._before = 0
        self._path = STREAM_MESSAGE if asking == "message" else REGENERATE
        self._input: dict[str, Any] = {"clientMessageId": "mine"}

    async def plan(self, chat: Chat, direct: RawSocket, cuts: Cuts) -> None:
        """Make its conversation, with an older turn if it is to be repeated."""
        conversation = self._input["conversationId"] = await direct.new_conversation()
        if self._asking == "message":
            self._input["message"] = self._message
        else:
            old = {"conversationId": conversation, "message": self._old}
            events = await read(direct.events(await direct.call("subscription", STREAM_MESSAGE, old)))
            self._input["messageId"] = events[0]["userMessageId"]
        if self._asking == "otherwise":
            self._input["message"] = self._message
        self._asked = len(chat.playbook.requests(self._message))
        chat.playbook.script(self._message, *self._story.scripts)
        state = await direct.ask("query", "conversations.get", {"conversationId": conversation})
        epoch, _, number = state["result"]["data"]["upTo"].rpartition(".")
        self._before = int(number)
        cuts.plan(f"{epoch}.{self._before + self._number}", early=self._early)

    async def run(self, chat: Chat, client: StockClient) -> None:
        """Read it through, and compare what was seen with what is kept."""
        async with client.subscribe(self._path, self._input) as events:
            seen = await read_through(events, self._story.heard)
        assert [event["data"]["type"] for event in seen] == self._types
        numbers = range(self._before + 1, self._before + len(self._types) + 1)
        assert [number_of(event) for event in seen] == list(numbers)
        conversation = self._input["conversationId"]
        answer = check_turn(chat, conversation, seen)
        assert (answer["status"], answer["content"]) == ("ok", TEXT)
        assert len(chat.playbook.requests(self._message)) == self._asked + ROUNDS
        rows = chat.rows(conversation)
        assert [(row["role"], row["content"]) for row in rows] == [
            ("user", self._message),
            ("assistant", TEXT),
        ]
