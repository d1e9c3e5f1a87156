"""A server that does with its connections exactly what a test asks for."""

import asyncio
import socket
import ssl
import struct
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum, auto
from typing import Final, Self

BACKLOG: Final = 64


class End(Enum):
    """How the server ends a connection."""

    CLOSE = auto()
    RESET = auto()


Step = bytes | asyncio.Event | End
"""Bytes to send, a gate to wait at, or an end."""


def sized(body: bytes, *fields: bytes) -> bytes:
    """A whole response with a length."""
    head = b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *fields])
    return head + b"\r\n\r\n" + body


def chunked(*pieces: bytes) -> bytes:
    """The beginning of a response in chunks; `LAST_CHUNK` ends it."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


LAST_CHUNK: Final = b"0\r\n\r\n"


class Server:
    """Answers each request with the next sequence of steps, and with silence when there is none."""

    def __init__(self, *answers: Sequence[Step], tls: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        """Their heads."""
        self.arrived = asyncio.Event()
        """A request is there, and the steps of its answer are taken up to a gate."""
        self.left = asyncio.Event()
        """A client has closed its connection."""
        self._answers = deque(answers)
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=BACKLOG, ssl=self._tls)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            # asyncio's own server would report a task of its that was cancelled.
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while True:
                    await self._read_request(reader)
                    answer = self._answers.popleft() if self._answers else []
                    if not await self._answer(answer, reader, writer):
                        return
            self.left.set()
        finally:
            writer.transport.abort()

    async def _read_request(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        for line in head.lower().splitlines():
            if line.startswith(b"content-length:"):
                await reader.readexactly(int(line.partition(b":")[2]))
        self.requests.append(head)

    async def _answer(
        self, steps: Sequence[Step], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        for step in steps:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif isinstance(step, asyncio.Event):
                self.arrived.set()
                await step.wait()
            else:
                if step is End.RESET:
                    linger = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    writer.transport.abort()
                writer.close()
                return False
        self.arrived.set()
        return True
