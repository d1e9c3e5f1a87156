"""An upstream for measuring: prebuilt bytes, and one timer for all streams.

The content of each token is ` ~` and the twelve last digits of CLOCK_MONOTONIC in microseconds when it was
sent. All processes of a machine share that clock, so whoever receives a token knows how old it is.
"""

import asyncio
import socket
import time
from typing import Final, cast

TICK: Final = 0.001
"""Seconds between two looks at what is due."""

BLOCK: Final = 64
"""Tokens of one write when there is no pace."""

SEND_BUFFER: Final = 64 << 10
"""Bytes."""

AT_ONCE: Final = "Answer at once."
"""A message that is answered with one token and the end, whatever the other streams do."""

HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"x-request-id: req_1\r\nTransfer-Encoding: chunked\r\n\r\n"
)
EVENT: Final = (
    b'data: {"id":"chatcmpl-BenchmarkBenchmarkBenchmark","object":"chat.completion.chunk",'
    b'"created":1760000000,"model":"benchmark-2026-01-01","service_tier":"default",'
    b'"system_fingerprint":"fp_0123456789","choices":[{"index":0,"delta":%b,"logprobs":null,'
    b'"finish_reason":%b}],"usage":null}\n\n'
)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


ROLE: Final = _chunk(EVENT % (b'{"role":"assistant","content":"","refusal":null}', b"null"))
TOKEN: Final = _chunk(EVENT % (b'{"content":" ~000000000000"}', b"null")).replace(b"~000000000000", b"~%012d")
END: Final = (
    _chunk(EVENT % (b"{}", b'"stop"'))
    + _chunk(
        b'data: {"id":"chatcmpl-BenchmarkBenchmarkBenchmark","object":"chat.completion.chunk",'
        b'"created":1760000000,"model":"benchmark-2026-01-01","choices":[],'
        b'"usage":{"prompt_tokens":10,"completion_tokens":100,"total_tokens":110}}\n\n'
    )
    + _chunk(b"data: [DONE]\n\n")
    + b"0\r\n\r\n"
)
CLOCK: Final = 10**12


def now() -> int:
    """Microseconds, as tokens carry them."""
    return time.monotonic_ns() // 1000 % CLOCK


def token() -> bytes:
    """One token, sent now."""
    return TOKEN % now()


class Upstream:
    """Answers chat completions; streams wait after their role until there is a pace."""

    url: str

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        """The open ones, in the order of their turn within a period."""
        self.connections: set[Stream] = set()
        self.sent = 0
        """Tokens written so far."""
        self._changed = asyncio.Event()
        self._pacing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Stream(self), "127.0.0.1", 0, backlog=4096)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def close(self) -> None:
        self.rest()
        self.cut()
        self._server.close()

    async def opened(self, count: int) -> None:
        """Wait until so many streams are open."""
        while len(self.streams) < count:
            self._changed.clear()
            await self._changed.wait()

    async def closed(self) -> None:
        """Wait until none is."""
        while self.streams:
            self._changed.clear()
            await self._changed.wait()

    def pace(self, rate: float) -> None:
        """Send on each stream that is open now `rate` tokens a second, evenly spread over all of them."""
        self.rest()
        self._pacing = asyncio.create_task(self._pace(rate * len(self.streams)))

    def flood(self) -> None:
        """Send on each stream that is open now as much as it takes."""
        self.rest()
        for stream in self.streams:
            stream.flood()

    def rest(self) -> None:
        """Send nothing more, for now."""
        if self._pacing is not None:
            self._pacing.cancel()
            self._pacing = None
        for stream in self.streams:
            stream.rest()

    def finish(self) -> None:
        """End all answers properly."""
        self.rest()
        for stream in self.streams.copy():
            stream.finish()

    def cut(self) -> None:
        """Close all connections, whatever has not been read."""
        for stream in self.connections.copy():
            stream.abort()

    async def _pace(self, rate: float) -> None:
        streams = self.streams.copy()
        began, turn = time.monotonic(), 0
        while True:
            due = int((time.monotonic() - began) * rate)
            data = token()
            while turn < due:
                streams[turn % len(streams)].send(data)
                turn += 1
            await asyncio.sleep(TICK)

    def changed(self) -> None:
        self._changed.set()


class Stream(asyncio.Protocol):
    """One connection of the server's; one answer at a time."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._request = b""
        self._open = False
        self._flooding = False
        self._writable = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self.abort = self._transport.abort
        self._upstream.connections.add(self)
        # Megabytes in the kernel would have to be read before a flood ends.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)

    def data_received(self, data: bytes) -> None:
        self._request += data
        head, end, body = self._request.partition(b"\r\n\r\n")
        if not end or len(body) < _content_length(head):
            return
        self._request = b""
        self._transport.write(HEAD + ROLE)
        if AT_ONCE.encode() in body:
            self._transport.write(token() + END)
            return
        self._open = True
        self._upstream.streams.append(self)
        self._upstream.changed()

    def connection_lost(self, exc: Exception | None) -> None:
        self._upstream.connections.discard(self)
        self._leave()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self.pump()

    def send(self, data: bytes) -> None:
        """Send one token, if the peer still reads."""
        if self._open:
            self._transport.write(data)
            self._upstream.sent += 1

    def flood(self) -> None:
        self._flooding = True
        self.pump()

    def rest(self) -> None:
        self._flooding = False

    def finish(self) -> None:
        if self._open:
            self._transport.write(END)
            self._leave()

    def pump(self) -> None:
        """Write blocks until the peer lags."""
        while self._flooding and self._open and self._writable:
            self._transport.write(token() * BLOCK)
            self._upstream.sent += BLOCK

    def _leave(self) -> None:
        if self._open:
            self._open = self._flooding = False
            self._upstream.streams.remove(self)
            self._upstream.changed()


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0
