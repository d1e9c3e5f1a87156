"""Sending an HTTP answer to a client that may have stopped reading."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from starlette.types import Message, Scope, Send

from ..outbox import Outbox

Headers = Sequence[tuple[str, str]]

ABORT_EXTENSION: Final = "tidewire.abort"
"""A server that has this ASGI extension gives a function there that drops the connection, with
whatever waits to be sent on it. To close alone is no help: a server does that after the last byte,
which a client that is stuck never takes."""

PIECE_BYTES: Final = 64 * 1024
"""uvicorn lets a sender wait while more than this is unsent, but it takes any piece as a whole."""


class StuckClientError(Exception):
    """The client does not read what it is sent."""


class Response:
    """One HTTP answer. It has no length, as the reference's has none; the server frames it.

    Args:
        stuck_timeout: seconds that the server may take to get rid of a piece; None for any time.
    """

    def __init__(self, scope: Scope, send: Send, stuck_timeout: float | None) -> None:
        self._abort = (scope.get("extensions") or {}).get(ABORT_EXTENSION)
        self._send = send
        self._stuck_timeout = stuck_timeout
        self.started: bool = False
        self.dropped: bool = False
        """Whether the server has been told to drop the connection."""

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head.

        Raises:
            StuckClientError: nothing got through for too long. The connection has been dropped, if
                the server can do that. So do `write` and `end`.
        """
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self.started = True
        await self._deliver({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, body: bytes) -> None:
        """Send a part of the body, in pieces, so that little has to be kept for a client that is slow."""
        for start in range(0, len(body), PIECE_BYTES):
            piece = body[start : start + PIECE_BYTES]
            await self._deliver({"type": "http.response.body", "body": piece, "more_body": True})

    async def end(self, body: bytes = b"") -> None:
        """Send the last part of the body."""
        last = max(0, (len(body) - 1) // PIECE_BYTES) * PIECE_BYTES
        await self.write(body[:last])
        await self._deliver({"type": "http.response.body", "body": body[last:]})

    async def _deliver(self, message: Message) -> None:
        deadline = asyncio.timeout(self._stuck_timeout)
        try:
            async with deadline:
                await self._send(message)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            if self._abort is not None:
                self.dropped = True
                self._abort()
            raise StuckClientError(f"Nothing was read for {self._stuck_timeout} seconds") from error


async def send_body(response: Response, status: int, headers: Headers, body: bytes) -> None:
    """Send an answer that is there as a whole."""
    await response.start(status, headers)
    await response.end(body)


async def send_stream(response: Response, batches: AsyncIterator[list[bytes]]) -> None:
    """Send what comes out of an outbox until that ends; the head has been sent."""
    async for pieces in batches:
        await response.write(b"".join(pieces))
    await response.end()


async def ping(outbox: Outbox, said: bytes, interval: float | None) -> None:
    """Put `said` into `outbox` after each pause, until that is closed.

    Args:
        interval: seconds without a piece; None for no pings.
    """
    if interval is None:
        return
    loop = asyncio.get_running_loop()
    while not outbox.closed:
        quiet = loop.time() - outbox.last_put
        if quiet < interval:
            await asyncio.sleep(interval - quiet)
        else:
            await outbox.room()
            outbox.put(said)
