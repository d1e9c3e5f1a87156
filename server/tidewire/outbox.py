"""Frames that wait for one socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from .flag import Flag

# One connection may cost 512 KiB. Half of an outbox's share is for streams, which wait for room;
# a quarter is for what cannot wait; the rest is the backlog's, see `backlog`. What the socket
# has been given counts here until it is on its way. Frames of 60 bytes, the smallest there are,
# need as much again in Python objects: with 128 KiB that fits too.
OUTBOX_BYTES: Final = 128 * 1024


class OutboxOverflowError(Exception):
    """The peer does not read what it is sent."""


class Outbox:
    """An ordered queue of frames, bounded in bytes.

    Streams wait for room before they put (`room`); what cannot wait, such as a PONG, may
    exceed the limit by half of it. A single frame may be of any size.

    Args:
        limit: bytes that may wait before streams are held back.
    """

    def __init__(self, limit: int = OUTBOX_BYTES) -> None:
        self._limit = limit
        self._frames: list[bytes] = []
        self._size = 0
        self._excess = 0
        self._closed = False
        self._write: Callable[[list[bytes]], bool] | None = None
        self._flush_is_due = False
        self._on_its_way = 0
        """Bytes that were given out, and are not known to be sent."""
        self._loop = asyncio.get_running_loop()
        self.last_put: float = self._loop.time()
        """When the last frame came, by the event loop's clock, in seconds."""
        self._begin: Callable[[], None] | None = None
        self._filled = Flag()
        self._drained = Flag(is_set=True)

    def put(self, frame: bytes) -> None:
        """Append a frame. Does nothing once the outbox is closed.

        Raises:
            OutboxOverflowError: more than half the limit was put though there was no room.
        """
        if self._closed:
            return
        if self._size >= self._limit:
            self._exceed(len(frame))
        self._frames.append(frame)
        self.last_put = self._loop.time()
        self._size += len(frame)
        if self._size >= self._limit:
            self._drained.clear()
        if self._write is None:
            self._wake()
        elif not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def write_by(self, write: Callable[[list[bytes]], bool], begin: Callable[[], None]) -> None:
        """Have frames written without a task: all that come in a turn of the event loop at a time.

        `write` tells whether the system has taken everything. If not, `batches` gives a batch, which may
        be empty, and nothing more is written until the next one is asked for.

        Args:
            begin: is called when `batches` is first to be read; not before.
        """
        self._write, self._begin = write, begin

    @property
    def closed(self) -> bool:
        """Whether it takes no more frames."""
        return self._closed

    @property
    def has_room(self) -> bool:
        """Whether `room` returns at once."""
        return self._size < self._limit or self._closed

    async def room(self) -> None:
        """Wait until less than the limit is waiting."""
        while not self.has_room:
            await self._drained.wait()

    def close(self) -> None:
        """Take no more frames. What waits is still given out."""
        self._closed = True
        self._drained.set()
        self._wake()

    def discard(self) -> None:
        """Close, and forget what waits."""
        self.close()
        self._size -= sum(map(len, self._frames))
        self._frames = []

    async def batches(self) -> AsyncIterator[list[bytes]]:
        """Give what waits, all of it at a time, until the outbox is closed and empty.

        A batch counts as waiting until the next one is asked for, so ask when it is on its way.
        It is the caller's: clearing it frees what has been sent.
        """
        while True:
            await self._filled.wait()
            self._filled.clear()
            batch, self._frames = self._frames, []
            if batch or self._on_its_way:
                self._on_its_way += sum(map(len, batch))
                yield batch
                size, self._on_its_way = self._on_its_way, 0
                self._take(size)
            if self._closed and not self._frames:
                return

    def _wake(self) -> None:
        self._filled.set()
        if self._begin is not None:
            begin, self._begin = self._begin, None
            begin()

    def _flush(self) -> None:
        self._flush_is_due = False
        if self._on_its_way:
            self._wake()
            return
        batch, self._frames = self._frames, []
        size = sum(map(len, batch))
        if self._write is not None and batch:
            if self._write(batch):
                self._take(size)
            else:
                self._on_its_way = size
                self._wake()

    def _take(self, size: int) -> None:
        self._size -= size
        if self._size < self._limit:
            self._excess = 0
            self._drained.set()

    def _exceed(self, size: int) -> None:
        # Counted apart: while a large result is on its way, a client's keep-alive must not end it.
        self._excess += size
        if self._excess > self._limit // 2:
            raise OutboxOverflowError(f"{self._size} bytes are waiting for a peer that does not read")
