"""What ASGI's `receive` gives, while it waits to be asked for."""

import asyncio
from typing import Any


class Mailbox:
    """Works as an `asyncio.Queue` without a limit, in a tenth of its 3 KiB: every connection has one."""

    __slots__ = ("_newest", "_next", "_readers")

    def __init__(self) -> None:
        self._newest: list[Any] = []
        self._next: list[Any] = []
        """What comes before it, the oldest last."""
        self._readers: list[asyncio.Future[None]] = []

    def put_nowait(self, message: Any) -> None:
        """Append a message."""
        self._newest.append(message)
        for reader in self._readers:
            if not reader.done():
                reader.set_result(None)

    def empty(self) -> bool:
        """Whether `get` would wait."""
        return not (self._newest or self._next)

    async def get(self) -> Any:
        """Wait for a message, and take it out."""
        while self.empty():
            reader = asyncio.get_running_loop().create_future()
            self._readers.append(reader)
            try:
                await reader
            finally:
                self._readers.remove(reader)
        if not self._next:
            self._next, self._newest = self._newest[::-1], []
        return self._next.pop()
