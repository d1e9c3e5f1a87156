"""Runs an ASGI application with uvicorn."""

import asyncio
import ctypes
import gc
import os
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from errno import EADDRINUSE
from types import FrameType
from typing import Any, Final

import uvicorn

from ..countdown import Stage, total_seconds
from ..errors import logger
from ..shutdown import SIGNALS, Shutdown
from .http import HTTPProtocol
from .logs import set_up_logging
from .protocol import WebSocketProtocol
from .watchdog import Watchdog

LAST_MOMENT: Final = 0.2
"""Seconds that connections have to notice that they were aborted, and the event loop to end in."""

REQUEST_HEAD_BYTES: Final = 64 * 1024
"""Of an HTTP request's line and headers together. A batch of queries is one line.

uvicorn's own 16 KiB count only when the head comes in pieces: the same request may be answered or not.
"""

M_ARENA_MAX: Final = -8
"""From glibc's malloc.h."""

GC_THRESHOLDS: Final = (10_000, 5, 80)
"""Objects that are new, and collections of a generation before one of the next; by default 700, 10, 10.

Five: what fifty thousand new ones have left is looked at in ten milliseconds, and tokens wait meanwhile.
"""


class ListenError(Exception):
    """The address cannot be listened on; the text says why."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        if error.errno == EADDRINUSE:
            text = (
                f"Port {port} of {host} is taken: stop what listens there, or choose another (--port, PORT)."
            )
        else:
            # A host's name has numbers of its own, and of the others the event loop has changed the text.
            number = None if isinstance(error, socket.gaierror) else error.errno
            reason = error.strerror if number is None else os.strerror(number)
            text = f"{host}, port {port}, cannot be listened on: {reason}."
        super().__init__(text)


class Server(uvicorn.Server):
    """Drains at the first SIGTERM or SIGINT, hurries at the second, and ends as a success.

    Says where it listens once it does, which for port 0 nobody knows before.
    """

    should_exit: bool

    def __init__(self, config: uvicorn.Config, announce: Callable[[str], None], watchdog: Watchdog) -> None:
        super().__init__(config)
        self._announce = announce
        self._watchdog = watchdog
        self._shutdown = Shutdown()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked = False
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: Any = None) -> None:
        """Start the application, which registers its drains here.

        Raises:
            ListenError: nobody can connect; uvicorn has logged it, and ended the application.
        """
        self._loop = asyncio.get_running_loop()
        with self._shutdown.known():
            try:
                await super().startup(sockets)
            except SystemExit as exit:
                # The application's failure leaves nothing here, and is logged with its traceback.
                if isinstance(exit.__context__, OSError):
                    raise ListenError(self.config.host, self.config.port, exit.__context__) from exit
                raise
        _relieve_garbage_collector()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal. Unlike uvicorn, do not raise it again at the end."""
        hurry = self._asked
        self._asked = True
        self._watchdog.exit_within(total_seconds(0 if hurry else self._shutdown.grace))
        if not self.started or self._loop is None:
            self.should_exit = True
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._shutdown.hurry if hurry else self._begin)

    async def shutdown(self, sockets: Any = None) -> None:
        """Close what the drain has left, and end the application; in time, whatever hangs."""
        left = self._shutdown.countdown.left
        # uvicorn declares an int, and hands it to asyncio.wait_for.
        seconds: Any = left(Stage.ANSWERS) + LAST_MOMENT
        self.config.timeout_graceful_shutdown = seconds
        # It begins when uvicorn first waits, which is after it has closed the listeners.
        closing = asyncio.create_task(self._close_connections())
        try:
            async with asyncio.timeout(left(Stage.EXIT) - LAST_MOMENT):
                await super().shutdown(sockets)
        except TimeoutError:
            logger.warning("The application did not shut down in time")
        finally:
            closing.cancel()

    def _begin(self) -> None:
        self._shutdown.begin()
        self._draining = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        try:
            await self._shutdown.run()
        finally:
            self.should_exit = True

    async def _close_connections(self) -> None:
        connections = self.server_state.connections
        await self._shutdown.finish()
        await self._shutdown.countdown.until(Stage.ANSWERS, lambda: not connections)
        for connection in list(connections):
            connection.transport.abort()

    def _log_started_message(self, listeners: Any) -> None:
        host, port = listeners[0].getsockname()[:2]
        self._announce(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")


def serve(
    app: Any, *, host: str, port: int, max_message_bytes: int, log_level: str, announce: Callable[[str], None]
) -> None:
    """Serve `app` until SIGTERM or SIGINT, then drain it; see docs/deployment.md.

    Args:
        app: an ASGI application, or `module:name` of one.
        max_message_bytes: of a WebSocket message that is answered with an error of its own; one
            sixteen times as large ends the connection, so that memory stays bounded.
        announce: is called with the URL once connections are accepted.

    Raises:
        ListenError: the address cannot be listened on.
    """
    set_up_logging(log_level)
    _limit_malloc()
    config = configure(app, host=host, port=port, max_message_bytes=max_message_bytes, log_level=log_level)
    server = Server(config, announce, Watchdog())
    with _handled(server.handle_exit):
        server.run()


def configure(
    app: Any, *, host: str, port: int, max_message_bytes: int, log_level: str = "info"
) -> uvicorn.Config:
    """Tell uvicorn what is the same for every application; arguments as for `serve`."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level=log_level,
        log_config=None,
        access_log=False,
        http=HTTPProtocol,
        ws=WebSocketProtocol,
        h11_max_incomplete_event_size=REQUEST_HEAD_BYTES,
        ws_max_size=16 * max_message_bytes,
        ws_per_message_deflate=False,
        server_header=False,
    )


def _relieve_garbage_collector() -> None:
    """Have it look at what is new only, and less often.

    It stops everything while it looks: with a thousand sockets for a fifth of a second, most of that for
    modules and classes, which stay. A server's own cycles are few.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _limit_malloc() -> None:
    """Have all threads allocate from one heap.

    With glibc each gets its own, which never shrinks, so that the same work fills several of them. There is
    little to wait for: Python's threads mostly take turns.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Generator[None]:
    """Handle signals also while the event loop starts and ends, which uvicorn leaves to Python."""
    previous = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
