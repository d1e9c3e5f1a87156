"""Frames that wait for one socket."""

import asyncio
from collections.abc import AsyncIterator


class OutboxOverflowError(Exception):
    """The peer does not read what it is sent."""


class Outbox:
    """An ordered queue of frames, bounded in bytes.

    Streams wait for room before they put (`room`); what cannot wait, such as a PONG, may
    exceed the limit, up to twice of it.

    Args:
        limit: bytes that may wait before streams are held back.
    """

    def __init__(self, limit: int = 512 * 1024) -> None:
        self._limit = limit
        self._frames: list[bytes] = []
        self._size = 0
        self._closed = False
        self.last_put: float = asyncio.get_running_loop().time()
        """When the last frame came, by the event loop's clock, in seconds."""
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()

    def put(self, frame: bytes) -> None:
        """Append a frame. Does nothing once the outbox is closed.

        Raises:
            OutboxOverflowError: twice the limit is waiting already.
        """
        if self._closed:
            return
        if self._size > 2 * self._limit:
            raise OutboxOverflowError(f"{self._size} bytes are waiting for a peer that does not read")
        self._frames.append(frame)
        self.last_put = asyncio.get_running_loop().time()
        self._size += len(frame)
        self._filled.set()
        if self._size >= self._limit:
            self._drained.clear()

    @property
    def closed(self) -> bool:
        """Whether it takes no more frames."""
        return self._closed

    async def room(self) -> None:
        """Wait until less than the limit is waiting."""
        while self._size >= self._limit and not self._closed:
            await self._drained.wait()

    def close(self) -> None:
        """Take no more frames. What waits is still given out."""
        self._closed = True
        self._filled.set()
        self._drained.set()

    async def batches(self) -> AsyncIterator[list[bytes]]:
        """Give what waits, all of it at a time, until the outbox is closed and empty.

        A batch counts as waiting until the next one is asked for.
        """
        while True:
            await self._filled.wait()
            self._filled.clear()
            batch, self._frames = self._frames, []
            if batch:
                yield batch
                self._size -= sum(map(len, batch))
                if self._size < self._limit:
                    self._drained.set()
            if self._closed and not self._frames:
                return
