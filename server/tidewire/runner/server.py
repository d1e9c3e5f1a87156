"""Runs an ASGI application with uvicorn."""

from collections.abc import Callable
from typing import Any

import uvicorn

from .logs import set_up_logging
from .protocol import WebSocketProtocol


class Server(uvicorn.Server):
    """Says where it listens once it does, which for port 0 nobody knows before."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[str], None]) -> None:
        super().__init__(config)
        self._announce = announce

    def _log_started_message(self, listeners: Any) -> None:
        host, port = listeners[0].getsockname()[:2]
        self._announce(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")


def serve(
    app: Any, *, host: str, port: int, max_message_bytes: int, log_level: str, announce: Callable[[str], None]
) -> None:
    """Serve `app` until SIGTERM or SIGINT.

    Args:
        app: an ASGI application, or `module:name` of one.
        max_message_bytes: of a WebSocket message that is answered with an error of its own; one
            sixteen times as large ends the connection, so that memory stays bounded.
        announce: is called with the URL once connections are accepted.
    """
    set_up_logging(log_level)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level=log_level,
        log_config=None,
        access_log=False,
        ws=WebSocketProtocol,
        ws_max_size=16 * max_message_bytes,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=5,
        server_header=False,
    )
    Server(config, announce).run()
