"""Stops at any moment of a turn, its end included: it ends once, and what is kept is what was seen."""

import asyncio
import json
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest

from tests.conformance.chat import Chat, RawSocket, of_type
from tests.conformance.client import WAIT_SECONDS
from tests.faults.cut_turn import STREAM_MESSAGE
from tests.faults.evidence import check_turn, data_of, read_through
from tests.faults.sizes import SIZES
from tests.faults.story import TYPES, Story
from tests.faults.test_stop_phases import STOP, check_free

pytestmark = pytest.mark.asyncio(loop_scope="module")

AT_ONCE = 20

END = len(TYPES)


class Race:
    """A turn that is stopped twice, by two tabs, when so many of its events were seen.

    Args:
        after: that many.
        paced: whether the provider waits for what is seen, so that an answer that is stopped before its
            end can only be hung up on.
    """

    def __init__(self, message: str, *, after: int, paced: bool) -> None:
        self.message = message
        self._after = after
        self._paced = paced
        self._story = Story(paced=paced)
        self._seen = 0
        self._reached = asyncio.Event()

    def _heard(self) -> None:
        self._seen += 1
        self._story.heard()
        if self._seen >= self._after:
            self._reached.set()

    async def run(self, chat: Chat, sockets: Sequence[RawSocket]) -> str:
        """Run the race; gives how the turn ended."""
        chat.playbook.script(self.message, *self._story.scripts)
        first, *others = sockets
        conversation = await first.new_conversation()
        input = {"conversationId": conversation, "message": self.message, "clientMessageId": "mine"}
        call = await first.call("subscription", STREAM_MESSAGE, input)
        reading = asyncio.create_task(read_through(first.events(call), self._heard))
        reading.add_done_callback(lambda _: self._reached.set())
        if self._after:
            await self._reached.wait()
        frames = await asyncio.gather(
            *(socket.ask("mutation", STOP, {"conversationId": conversation}) for socket in others)
        )
        stopped = any(frame["result"]["data"]["stopped"] for frame in frames)
        seen = await reading
        answer = check_turn(chat, conversation, seen)
        assert answer["status"] == ("stopped" if stopped else "ok")
        events = data_of(seen)
        assert len(of_type(events, "stopped")) == stopped
        if answer["usage"]:
            guesses = [event["estimated"] for event in of_type(events, "usage")]
            assert json.loads(answer["usage"])["estimated"] == any(guesses)
        await self._check_requests(chat)
        await check_free(first, conversation)
        return str(answer["status"])

    async def _check_requests(self, chat: Chat) -> None:
        """Every answer of the provider's has ended, or was hung up on."""
        for request in chat.playbook.requests(self.message):
            ends = [asyncio.create_task(event.wait()) for event in (request.answered, request.hung_up)]
            done, pending = await asyncio.wait(ends, timeout=WAIT_SECONDS, return_when="FIRST_COMPLETED")
            assert done
            for task in pending:
                task.cancel()


async def test_a_stop_at_any_moment_ends_a_turn_once(chat: Chat, topic: str) -> None:
    luck = random.Random(SIZES.stops)
    # Half of them at the end, where there is something to race.
    races = [
        Race(
            f"{topic} {number}",
            after=luck.randrange(END) if number % 2 else END - luck.randint(0, 4),
            paced=luck.random() < 0.7,
        )
        for number in range(SIZES.stops)
    ]
    outcomes: list[str] = []
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(RawSocket(chat.url)) for _ in range(3)]
        for start in range(0, len(races), AT_ONCE):
            some = races[start : start + AT_ONCE]
            outcomes += await asyncio.gather(*(race.run(chat, sockets) for race in some))
    assert set(outcomes) == {"stopped", "ok"}
    print({each: outcomes.count(each) for each in set(outcomes)})
