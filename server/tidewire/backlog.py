"""Results that wait for room in the outbox."""

import asyncio
from typing import Final

from .outbox import Outbox

# With the 192 KiB that an outbox can hold, 448 KiB: 64 less than one connection may cost.
BACKLOG_BYTES: Final = 256 * 1024


class Backlog:
    """Bounds the bytes of the results that wait for room at a time.

    One result may be of any size if no other waits.

    Args:
        outbox: what they wait for.
        limit: bytes of all of them together.
    """

    def __init__(self, outbox: Outbox, limit: int = BACKLOG_BYTES) -> None:
        self._outbox = outbox
        self._limit = limit
        self._size = 0
        self.turn: asyncio.Lock = asyncio.Lock()
        """Held by the one call that makes its result anew, having had no place for it."""

    def has_place(self, size: int, share: float = 1.0) -> bool:
        """Whether a result of `size` bytes may wait, or need not; in `share` of the limit."""
        return not self._size or self._outbox.has_room or self._size + size <= self._limit * share

    async def wait(self, size: int) -> None:
        """Wait for room with a result of `size` bytes."""
        self._size += size
        try:
            await self._outbox.room()
        finally:
            self._size -= size
