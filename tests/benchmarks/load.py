"""The clients for measuring: a WebSocket connection that counts, and hardly parses."""

import asyncio
import base64
import os
import re
from typing import Any, Final, cast
from urllib.parse import urlsplit

import msgspec

from .upstream import now

TOKEN: Final = re.compile(rb" ~(\d{12})")
MARK: Final = b" ~"
"""What tokens begin with. A `~` alone is in the head of each frame of some size, but after another byte."""

_encode: Final = msgspec.json.encode

STREAM: Final = "conversations.streamMessage"


class Tally:
    """What a number of sockets have received together."""

    def __init__(self) -> None:
        self.tokens = 0
        self.frames = 0
        self.lost = 0
        """Connections that ended before they were closed here."""
        self.ages: list[int] | None = None
        """Of each token in microseconds, while it is a list."""
        self.error = ""
        """The first one that a server answered with."""

    def take(self, frames: bytes, count: int) -> None:
        """Count whole frames."""
        self.frames += count
        if self.ages is None:
            self.tokens += frames.count(MARK)
            return
        at = now()
        sent = TOKEN.findall(frames)
        self.tokens += len(sent)
        self.ages.extend([at - int(each) for each in sent])


class Socket(asyncio.Protocol):
    """One connection. What comes in goes to its tally; the last frame can be waited for."""

    transport: asyncio.Transport

    def __init__(self, tally: Tally, host: str) -> None:
        self.tally = tally
        self._host = host
        self._buffer = b""
        self.opened: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        """The head of the server's answer."""
        self._closing = False
        self._waiting: tuple[bytes, asyncio.Future[bytes]] | None = None
        self.answered: Any = None
        """Is called for each frame that carries data, if it is there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET /api/trpc HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        if not self.opened.done():
            head, complete, rest = data.partition(b"\r\n\r\n")
            self._buffer = rest if complete else data
            if complete:
                self.opened.set_result(head)
            return
        end, count = self._walk(data)
        self._buffer = data[end:]
        if count:
            whole = data[:end]
            self.tally.take(whole, count)
            self._arrived(whole)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closing:
            self.tally.lost += 1
        for future in [self.opened, *(self._waiting or ())[1:]]:
            if not future.done():
                future.set_exception(ConnectionError("the server closed the connection"))

    def send(self, method: str, path: str, input: Any = None) -> None:
        """Begin a call."""
        params = {"path": path} if input is None else {"path": path, "input": input}
        self.write(message({"id": 1, "method": method, "params": params}))

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    async def receive(self, part: bytes) -> bytes:
        """Wait for frames that have `part` in them; nothing that came before counts.

        Raises:
            ConnectionError: there will be none.
        """
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting = (part, future)
        try:
            return await future
        finally:
            self._waiting = None

    async def call(self, method: str, path: str, input: Any, part: bytes) -> bytes:
        """Begin a call, and wait for `part` of what it gives."""
        self.send(method, path, input)
        return await self.receive(part)

    def close(self) -> None:
        """Break the connection."""
        self._closing = True
        self.transport.abort()

    def _arrived(self, frames: bytes) -> None:
        if self.answered is not None:
            self.answered()
        if self._waiting is None or self._waiting[1].done():
            return
        part, future = self._waiting
        if part in frames:
            future.set_result(frames)
        elif b'"error"' in frames:
            future.set_exception(ConnectionError(frames.decode(errors="replace")))

    def _walk(self, data: bytes) -> tuple[int, int]:
        """Where the last whole frame ends, and how many there are; pings are answered on the way."""
        position = count = 0
        while (start := position + 2) <= len(data):
            size = data[position + 1]
            if size > 125:
                wide = 2 if size == 126 else 8
                size = int.from_bytes(data[start : start + wide], "big")
                start += wide
            if start + size > len(data):
                break
            if data[position] == 0x89:
                self.transport.write(b"\x8a\x80\0\0\0\0")
            position = start + size
            count += 1
        return position, count


def message(content: Any) -> bytes:
    """A masked text message; with a mask of zeros, which leaves the payload as it is."""
    payload = _encode(content)
    size = len(payload)
    head = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + b"\0\0\0\0" + payload


async def connect(url: str, tally: Tally) -> Socket:
    """Open a connection to the server at `url`.

    Raises:
        ConnectionError: it could not be opened.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    loop = asyncio.get_running_loop()
    _, socket = await loop.create_connection(lambda: Socket(tally, f"{host}:{port}"), host, port)
    head = await socket.opened
    if not head.startswith(b"HTTP/1.1 101"):
        raise ConnectionError(f"the server refused the connection: {head.decode(errors='replace')}")
    return socket
