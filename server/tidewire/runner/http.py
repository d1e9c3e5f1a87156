"""uvicorn's HTTP protocol, with what ASGI leaves out."""

import asyncio
from typing import Any, ClassVar

from starlette.types import Receive, Scope, Send

from ..transports.response import ABORT_EXTENSION
from .protocol import bound_kernel_buffer
from .request_head import RequestHeadProtocol


class HTTPProtocol(RequestHeadProtocol):
    """Can drop a connection, and does so itself if the end of an answer is not read.

    uvicorn closes an idle connection, and one whose application has failed, but that takes as long as
    the client likes: the socket stays until the last byte has been taken.
    """

    last_bytes_timeout: ClassVar[float] = 10.0
    """Seconds in which a client has to read something of what is left of an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin to serve. As for WebSockets, the system is to take little for a client that does not read."""
        super().connection_made(transport)
        bound_kernel_buffer(transport)

    @property
    def app(self) -> Any:
        """What uvicorn calls: the application, told what this protocol offers."""
        # Made each time: kept, it would be a circle, and the protocol not be freed at once.
        return self._run

    @app.setter
    def app(self, application: Any) -> None:
        self._application = application

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        extensions = {**(scope.get("extensions") or {}), ABORT_EXTENSION: self.transport.abort}
        await self._application({**scope, "extensions": extensions}, receive, send)

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, even if what is left to send is not read."""
        super().timeout_keep_alive_handler()
        self._watch_unsent(self.transport.get_write_buffer_size())

    def _watch_unsent(self, unsent: int) -> None:
        if unsent:
            self.loop.call_later(self.last_bytes_timeout, self._abort_if_stuck, unsent)

    def _abort_if_stuck(self, unsent: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left >= unsent:
            self.transport.abort()
        else:
            self._watch_unsent(left)
