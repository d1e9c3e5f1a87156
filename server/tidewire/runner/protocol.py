"""uvicorn's WebSocket protocol, with what ASGI leaves out."""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from ..transports.websocket import NORMAL_CLOSE_EXTENSION


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Can close a WebSocket without a code: clients then see 1005, as with the reference server."""

    async def run_asgi(self) -> None:
        """Run the application, and tell it what this protocol offers."""
        extensions = dict[str, Any](self.scope.get("extensions") or {})
        extensions[NORMAL_CLOSE_EXTENSION] = {}
        self.scope["extensions"] = extensions
        await super().run_asgi()
