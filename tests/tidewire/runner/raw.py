"""A WebSocket client that reads only when it is told to, and takes little in advance."""

import asyncio
import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

# The least that an operating system keeps for a client that does not read.
RECEIVE_BYTES: Final = 4096

WAIT_SECONDS: Final = 10.0


class RawConnection:
    """A TCP connection to a server.

    Args:
        url: of the server.
    """

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._address = (address.hostname, address.port)
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> Self:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self._socket.setblocking(False)
        await self._loop.sock_connect(self._socket, self._address)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    async def write(self, data: bytes) -> None:
        """Send bytes."""
        async with asyncio.timeout(WAIT_SECONDS):
            await self._loop.sock_sendall(self._socket, data)

    async def read(self, size: int = 1 << 16) -> bytes:
        """Give up to `size` bytes; none when the server has closed."""
        async with asyncio.timeout(WAIT_SECONDS):
            return await self._loop.sock_recv(self._socket, size)

    async def ended(self) -> None:
        """Read until the server has closed or cut the connection."""
        with suppress(ConnectionResetError):
            while await self.read():
                pass


class RawSocket(RawConnection):
    """A WebSocket to a router at `/api/trpc`."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        host, port = self._address
        self._protocol = ClientProtocol(parse_uri(f"ws://{host}:{port}/api/trpc"), max_size=None)
        self._protocol.send_request(self._protocol.connect())
        await self._flush()
        while self._protocol.state.name != "OPEN":
            self._protocol.receive_data(await self.read())
        # The response.
        self._protocol.events_received()
        return self

    async def send(self, message: Mapping[str, Any] | list[dict[str, Any]]) -> None:
        """Send a text frame."""
        self._protocol.send_text(json.dumps(message).encode())
        await self._flush()

    async def ping(self, payload: bytes) -> None:
        """Send a ping frame."""
        self._protocol.send_ping(payload)
        await self._flush()

    async def frames(self, size: int = 1 << 16) -> list[Any]:
        """Read up to `size` bytes, and give the text frames that are complete with them, parsed."""
        self._protocol.receive_data(await self.read(size))
        return [
            json.loads(bytes(event.data))
            for event in self._protocol.events_received()
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT
        ]

    async def _flush(self) -> None:
        await self.write(b"".join(self._protocol.data_to_send()))
