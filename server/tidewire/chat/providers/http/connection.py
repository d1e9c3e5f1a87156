"""A connection to a server: one request at a time, and its response piece by piece."""

import asyncio
import selectors
from collections.abc import AsyncIterator, Callable
from typing import Final, cast

import httpx2

from .response import ResponseParser

READ_AHEAD: Final = 256 << 10
"""Bytes that wait to be fetched before the server has to; also how long a head may be."""


class Connection(asyncio.Protocol):
    """Serves one request after the other, as long as it is clean.

    What waits for the server wakes at once when bytes, the end or a failure come. There is one timer for all
    reads of a response, as arming it costs about as much as reading a token does.

    Args:
        on_lost: is told once, when the connection is gone.
    """

    def __init__(self, on_lost: Callable[["Connection"], None]) -> None:
        self.response: ResponseParser = ResponseParser()
        """The last request's."""
        self.heard: bool = False
        """Anything has come in answer to the last request."""
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._failure: httpx2.TransportError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._unread = 0
        self._paused = False
        self._stall_timeout: float | None = None
        self._silent_since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_clean(self) -> bool:
        """A request sent now is the only thing on its way.

        Asks the system too: a close, or a rest that nobody has asked for, may not have been read yet.
        """
        transport = self._transport
        if transport is None or transport.is_closing() or not self.response.reusable:
            return False
        with selectors.DefaultSelector() as selector:
            selector.register(transport.get_extra_info("socket"), selectors.EVENT_READ)
            return not selector.select(0)

    def send(self, request: bytes, *, stall_timeout: float | None) -> None:
        """Send a whole request.

        `stall_timeout` is how long the server may be silent while its response is waited for, in seconds.
        """
        assert self._transport is not None
        self._cancel_timer()
        self.response = ResponseParser()
        self.heard = False
        self._unread = 0
        self._stall_timeout = stall_timeout
        self._silent_since = self._loop.time()
        self._transport.write(request)

    async def head(self) -> ResponseParser:
        """Wait for the status and the headers.

        Raises:
            TransportError: they do not come, or are not HTTP.
        """
        while not self.response.has_head:
            await self._more()
        return self.response

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes of the body, all that have come.

        Raises:
            TransportError: the body is cut short, or does not come.
        """
        response = self.response
        pieces = response.pieces
        while not pieces:
            if response.complete:
                raise StopAsyncIteration
            await self._more()
        piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._unread = 0
        if self._paused:
            self._go_on()
        return piece

    def rest(self, seconds: float) -> None:
        """Wait for another request for so long, then close."""
        self._cancel_timer()
        self._timer = self._loop.call_later(seconds, self.abort)

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self._cancel_timer()
        self._failure = self._failure or httpx2.ReadError("The connection was closed on this side.")
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        response = self.response
        self.heard = True
        self._silent_since = self._loop.time()
        try:
            response.feed(data)
        except httpx2.RemoteProtocolError as error:
            self._fail(error)
            return
        self._unread += len(data)
        if self._unread > READ_AHEAD and not response.complete:
            self._hold_back()
        if response.pieces or response.has_head:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timer()
        self._transport = None
        if self._failure is None and exc is None:
            try:
                self.response.end()
            except httpx2.RemoteProtocolError as error:
                self._failure = error
        self._failure = self._failure or httpx2.ReadError(f"The connection is lost: {exc}")
        self._wake()
        self._on_lost(self)

    def _more(self) -> asyncio.Future[None]:
        """To be awaited until there is something new."""
        if self._failure is not None:
            raise self._failure
        if self._timer is None and self._stall_timeout is not None:
            self._timer = self._loop.call_later(self._stall_timeout, self._look)
        self._waiter = self._loop.create_future()
        return self._waiter

    def _look(self) -> None:
        """Give up if somebody has waited for too long; come back when that may be."""
        self._timer = None
        if self._waiter is None or self._waiter.done() or self._stall_timeout is None:
            return
        left = self._silent_since + self._stall_timeout - self._loop.time()
        if left <= 0:
            self._fail(httpx2.ReadTimeout(f"Nothing has come for {self._stall_timeout:g} s."))
        else:
            self._timer = self._loop.call_later(left, self._look)

    def _hold_back(self) -> None:
        if not self.response.has_head:
            self._fail(httpx2.RemoteProtocolError(f"The headers have more than {READ_AHEAD} bytes."))
        elif not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _go_on(self) -> None:
        self._paused = False
        self._silent_since = self._loop.time()
        if self._transport is not None:
            self._transport.resume_reading()

    def _fail(self, error: httpx2.TransportError) -> None:
        self._failure = error
        self.abort()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
