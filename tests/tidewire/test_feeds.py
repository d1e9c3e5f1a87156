"""Streams that are followed instead of asked: the same events, whatever gets in between."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.tidewire.chat.log.journal import until
from tests.tidewire.peer import OUTBOX_BYTES, Peer, error_of, started, stopped
from tidewire import CallInfo, Next, Router, Tracked
from tidewire.feeds import Feed, Take
from tidewire.tracking import SharedEvent


class Numbers(Feed[Any]):
    """Gives what the test says; knows whether it was asked for it or followed."""

    def __init__(self) -> None:
        self.queue: list[SharedEvent[Any]] = []
        self.followed = 0
        self.asked = 0
        self.closed = False
        self.over = False
        self._number = 0
        self._more = asyncio.Event()
        self._take: Take | None = None
        self._stop: Callable[[], None] = lambda: None

    @property
    def is_followed(self) -> bool:
        return self._take is not None

    def say(self, *data: Any) -> None:
        for each in data:
            self._number += 1
            self.queue.append(SharedEvent(str(self._number), each))
        if self._take is not None:
            taken = self._take(self.queue)
            self.followed += taken
            del self.queue[:taken]
            if self.queue:
                self._take = None
                self._stop()
        self._more.set()

    def end(self) -> None:
        self.over = True
        self._more.set()
        if self._take is not None:
            self._take = None
            self._stop()

    async def __anext__(self) -> Tracked[Any]:
        while not self.queue:
            if self.over:
                raise StopAsyncIteration
            self._more.clear()
            await self._more.wait()
        self.asked += 1
        return self.queue.pop(0)

    def follow(self, take: Take, stop: Callable[[], None]) -> bool:
        if self.queue or self.over:
            return False
        self._take, self._stop = take, stop
        return True

    def unfollow(self) -> None:
        self._take = None

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture
def numbers() -> Numbers:
    return Numbers()


def router_of(numbers: Numbers, **options: Any) -> Router:
    router = Router(**options)

    @router.subscription
    async def count() -> AsyncIterator[Tracked[int]]:
        return numbers

    return router


def event(number: int, value: Any) -> dict[str, Any]:
    place = str(number)
    return {"id": 1, "result": {"type": "data", "data": {"id": place, "data": value}, "id": place}}


async def test_events_are_asked_for_at_first_and_followed_from_then_on(numbers: Numbers) -> None:
    async with Peer(router_of(numbers)) as peer:
        peer.call("subscription", "count")
        numbers.say(10, 20)
        assert await peer.frames(3) == [started(), event(1, 10), event(2, 20)]
        await until(lambda: numbers.is_followed)
        numbers.say(30)
        numbers.say(40, 50)
        assert await peer.frames(3) == [event(3, 30), event(4, 40), event(5, 50)]
        assert (numbers.asked, numbers.followed) == (2, 3)
        numbers.end()
        assert await peer.frame() == stopped()
    assert numbers.closed


async def test_a_client_that_does_not_read_is_not_followed_and_misses_nothing() -> None:
    numbers = Numbers()
    router = Router()

    @router.subscription
    async def count() -> AsyncIterator[Tracked[str]]:
        return numbers

    long = "x" * (OUTBOX_BYTES // 4)
    async with Peer(router, reads=False) as peer:
        peer.call("subscription", "count")
        numbers.say(long)
        await until(lambda: numbers.is_followed)
        numbers.say(*[long] * 7)
        assert not numbers.is_followed
        assert numbers.followed == 3
        peer.read()
        assert await peer.frames(9) == [started(), *(event(number, long) for number in range(1, 9))]
        await until(lambda: numbers.is_followed)
        numbers.say("short")
        assert await peer.frame() == event(9, "short")


async def test_a_stop_ends_the_following_before_it_is_answered(numbers: Numbers) -> None:
    async with Peer(router_of(numbers)) as peer:
        peer.call("subscription", "count")
        numbers.say(1)
        await until(lambda: numbers.is_followed)
        peer.stop()
        # What comes before the procedure has noticed is not sent.
        numbers.say(2)
        assert await peer.frames(3) == [started(), event(1, 1), stopped()]
        assert numbers.closed
        assert not numbers.is_followed


async def test_an_event_of_the_wrong_type_fails_its_call_alone(numbers: Numbers) -> None:
    async with Peer(router_of(numbers)) as peer, Peer(peer.dispatcher) as other:
        peer.call("subscription", "count")
        numbers.say(1)
        await until(lambda: numbers.is_followed)
        numbers.say("no number")
        assert await peer.frames(2) == [started(), event(1, 1)]
        assert "Output validation failed" in error_of(await peer.frame())
        assert await peer.frame() == stopped()
        assert numbers.closed
        other.send("PING")
        assert await other.frame() == "PONG"


async def test_a_disconnect_ends_the_following(numbers: Numbers) -> None:
    async with Peer(router_of(numbers)) as peer:
        peer.call("subscription", "count")
        numbers.say(1)
        await until(lambda: numbers.is_followed)
    assert numbers.closed
    assert not numbers.is_followed


async def test_a_stream_that_middleware_wraps_is_asked(numbers: Numbers) -> None:
    async def double(call: CallInfo, next: Next) -> Any:
        stream = await next()

        async def doubled() -> AsyncIterator[Tracked[int]]:
            async for each in stream:
                yield Tracked(each.id, each.data * 2)

        return doubled()

    async with Peer(router_of(numbers, use=[double])) as peer:
        peer.call("subscription", "count")
        for number in (1, 2):
            numbers.say(number)
        assert await peer.frames(3) == [started(), event(1, 2), event(2, 4)]
        assert numbers.followed == 0


async def test_a_stream_with_a_timeout_is_asked(numbers: Numbers) -> None:
    router = Router()

    @router.subscription(timeout=60)
    async def count() -> AsyncIterator[Tracked[int]]:
        return numbers

    async with Peer(router) as peer:
        peer.call("subscription", "count")
        numbers.say(1)
        assert await peer.frames(2) == [started(), event(1, 1)]
        numbers.say(2)
        assert await peer.frame() == event(2, 2)
        assert numbers.followed == 0
