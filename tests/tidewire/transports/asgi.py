"""A WebSocket of an ASGI server, played by the test in its own event loop."""

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self

from starlette.types import ASGIApp, Message

# How long anything awaited here may take before the test fails.
WAIT_SECONDS: Final = 10.0


class Direct:
    """What a server of ours offers beyond ASGI, played by the test."""

    def __init__(self) -> None:
        self.unsent = 0
        """What is not taken, as the test says."""
        self.taken = asyncio.Event()
        self.aborted = False
        self.gone = asyncio.Event()
        self.receive: Callable[[str | bytes], None] | None = None
        self.writes: asyncio.Queue[list[bytes]] = asyncio.Queue()

    def write(self, frames: Collection[bytes]) -> None:
        self.writes.put_nowait(list(frames))

    async def flushed(self) -> None:
        await self.taken.wait()

    def deliver(self, receive: Callable[[str | bytes], None]) -> None:
        self.receive = receive

    def abort(self) -> None:
        self.aborted = True
        self.gone.set()

    async def lost(self) -> None:
        await self.gone.wait()


class Socket:
    """One connection to an ASGI application.

    Args:
        app: what is connected to.
        extensions: what the server can do beyond plain ASGI.
    """

    def __init__(
        self,
        app: ASGIApp,
        path: str = "/api/trpc",
        *,
        query: str = "",
        headers: Collection[tuple[str, str]] = (),
        extensions: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._app = app
        self._scope: dict[str, Any] = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [
                (name.encode(), value.encode()) for name, value in [("host", "tidewire.test"), *headers]
            ],
            "client": ("192.0.2.1", 50000),
            "server": ("tidewire.test", 80),
            "subprotocols": [],
            "extensions": dict(extensions),
        }
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self.failure: Exception | None = None
        """What the server raises from now on when the application sends."""

    async def __aenter__(self) -> Self:
        self.running = asyncio.create_task(self._serve())
        self._to_app.put_nowait({"type": "websocket.connect"})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()
        async with asyncio.timeout(WAIT_SECONDS):
            await self.running

    async def accepted(self) -> None:
        """Wait until the application has accepted the connection."""
        assert (await self.message())["type"] == "websocket.accept"

    def send(self, message: Mapping[str, Any] | str) -> None:
        """Send one text frame."""
        text = message if isinstance(message, str) else json.dumps(message)
        self._to_app.put_nowait({"type": "websocket.receive", "text": text})

    def disconnect(self) -> None:
        """Be gone."""
        self._to_app.put_nowait({"type": "websocket.disconnect", "code": 1006})

    async def message(self) -> Message:
        """Give the next thing that the application sends."""
        async with asyncio.timeout(WAIT_SECONDS):
            return await self._from_app.get()

    async def frame(self) -> Any:
        """Give the next frame, parsed."""
        return json.loads((await self.message())["text"])

    async def _serve(self) -> None:
        await self._app(self._scope, self._to_app.get, self._send)

    async def _send(self, message: Message) -> None:
        if self.failure is not None:
            raise self.failure
        self._from_app.put_nowait(message)
