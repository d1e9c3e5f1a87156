"""How long a peer may take, and what it may not do."""

import asyncio
import time
from collections.abc import Iterable, Iterator

import pytest
from starlette.types import Message
from starlette.websockets import WebSocket

from tests.tidewire.transports.asgi import Direct
from tidewire.transports.wire import PATIENCE_BYTES, DirectWire, StuckReaderError, Wire, open_wire

# Long enough for the event loop to come round several times, even if the machine is busy.
STUCK_SECONDS = 0.4


class Slow(Direct):
    """Takes a byte whenever it is asked how much is left."""

    @property
    def unsent(self) -> int:
        self._unsent -= 1
        return self._unsent

    @unsent.setter
    def unsent(self, size: int) -> None:
        self._unsent = size


async def accepted(take: Iterable[float] = ()) -> WebSocket:
    """A WebSocket whose server takes so many seconds for each frame, and whose peer says nothing."""
    seconds = iter(take)
    messages: Iterator[Message] = iter([{"type": "websocket.connect"}])

    async def send(message: Message) -> None:
        if message["type"] == "websocket.send":
            await asyncio.sleep(next(seconds))

    async def receive() -> Message:
        for message in messages:
            return message
        return await asyncio.Future()

    websocket = WebSocket({"type": "websocket", "extensions": {}}, receive, send)
    await websocket.accept()
    return websocket


async def test_a_server_without_the_extension_gets_plain_asgi() -> None:
    assert type(open_wire(await accepted(), 1)) is Wire


async def test_a_peer_that_takes_a_little_is_waited_for() -> None:
    direct = Slow()
    direct.unsent = 1000
    wire = DirectWire(await accepted(), direct, STUCK_SECONDS)
    sending = asyncio.create_task(wire.send([b"frame"]))
    # Twice the time after which it would be cut off: not a wait for something, but the thing itself.
    await asyncio.sleep(2 * STUCK_SECONDS)
    assert not sending.done()
    direct.taken.set()
    await sending


async def test_a_peer_that_takes_nothing_is_stuck() -> None:
    direct = Direct()
    direct.unsent = 1000
    wire = DirectWire(await accepted(), direct, 0.01)
    async with asyncio.timeout(10):
        with pytest.raises(StuckReaderError):
            await wire.send([b"frame"])


async def test_a_time_in_which_nothing_ran_is_not_held_against_a_peer() -> None:
    direct = Direct()
    direct.unsent = 1000
    sending = asyncio.create_task(DirectWire(await accepted(), direct, STUCK_SECONDS).send([b"frame"]))
    await direct.writes.get()
    # As if the machine had been suspended: the whole event loop stands still.
    time.sleep(2 * STUCK_SECONDS)  # noqa: ASYNC251
    await asyncio.sleep(STUCK_SECONDS / 8)
    assert not sending.done()
    direct.taken.set()
    await sending


async def test_sent_frames_are_not_kept() -> None:
    direct = Direct()
    direct.unsent = 1000
    frames = [b"frame"]
    sending = asyncio.create_task(DirectWire(await accepted(), direct, 10).send(frames))
    assert await direct.writes.get() == [b"frame"]
    assert frames == []
    sending.cancel()


async def test_with_plain_asgi_each_frame_has_the_time() -> None:
    frames = [b"frame"] * 10
    async with asyncio.timeout(10):
        await Wire(await accepted(take=[STUCK_SECONDS / 5] * 10), STUCK_SECONDS).send(frames)
    assert frames == []


async def test_with_plain_asgi_a_frame_that_is_not_taken_is_stuck() -> None:
    async with asyncio.timeout(10):
        with pytest.raises(StuckReaderError):
            await Wire(await accepted(take=[3600]), 0.01).send([b"frame"])


async def test_with_plain_asgi_a_large_frame_has_more_time_behind_which_the_next_one_waits() -> None:
    # The server takes the first at once, and then waits until it is gone.
    wire = Wire(await accepted(take=[0, STUCK_SECONDS]), STUCK_SECONDS / 20)
    async with asyncio.timeout(10):
        await wire.send([b"x" * (40 * PATIENCE_BYTES)])
        await wire.send([b"frame"])


async def test_with_plain_asgi_reading_ends_once_however_often_it_is_cut() -> None:
    wire = Wire(await accepted(), STUCK_SECONDS)
    reading = asyncio.create_task(wire.read(lambda frame: None))
    # Until it reads; then over every turn of the event loop that the end takes.
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        while not reading.done():
            wire.abort()
            await asyncio.sleep(0)
    await reading
    wire.abort()
