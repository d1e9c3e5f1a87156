"""How long uvicorn waits for the head of a request."""

from asyncio import TimerHandle, Transport
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class RequestHeadProtocol(H11Protocol):
    """Cuts connections that begin a request, or none, and do not come to the end of its head.

    uvicorn itself waits for ever: its keep-alive timeout only counts between requests, until the
    first byte of the next.
    """

    head_timeout: ClassVar[float] = 10.0
    """Seconds from the connection, or from the first byte of a later request, to the end of the head."""

    _waiting: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request, or several."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._waiting is None:
            # Not from the last byte: one a second would be enough then.
            self._waiting = self.loop.call_later(self.head_timeout, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        self.transport.abort()
