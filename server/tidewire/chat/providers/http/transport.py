"""Requests over connections that are kept for the next one."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final, NamedTuple

import httpx2
from aiohappyeyeballs import start_connection

from .connection import Connection

MAX_IDLE: Final = 100
"""Connections, as with openai's own client."""

IDLE_SECONDS: Final = 5.0
"""How long a connection is kept without a request, as with httpx2's own transport."""

PIECES: Final = "pieces"
"""The extension of an open response that iterates its body as it was sent, a piece for each read."""

_NEXT_ADDRESS_AFTER: Final = 0.25
"""Seconds that one of a host's addresses has to itself, as RFC 8305 recommends."""


class _Origin(NamedTuple):
    host: str
    port: int
    is_secure: bool


class StreamTransport(httpx2.AsyncBaseTransport):
    """HTTP/1.1 without proxies, for one event loop; as many connections as there are requests.

    What happens to a request is told in httpx2's exceptions. Cancelling it, or closing its response before
    the end, closes the connection at once. A request that a kept connection did not take, because its server
    was closing it, is sent once more over a new one: as with other clients, not a byte of an answer had come.
    """

    def __init__(self) -> None:
        self._tls = httpx2.create_ssl_context()
        self._tls.set_alpn_protocols(["http/1.1"])
        self._connections: set[Connection] = set()
        self._idle: list[tuple[_Origin, Connection]] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, and wait for the head of its response.

        Raises:
            TransportError: it cannot be sent, or is not answered.
        """
        origin = _origin(request.url)
        data = _head(request) + await request.aread()
        timeouts: Mapping[str, float | None] = request.extensions.get("timeout", {})
        kept = self._take(origin)
        if kept is not None:
            try:
                return await self._exchange(kept, origin, data, timeouts)
            except (httpx2.ReadError, httpx2.RemoteProtocolError):
                if kept.heard:
                    raise
        connection = await self._connect(origin, timeouts.get("connect"))
        return await self._exchange(connection, origin, data, timeouts)

    async def aclose(self) -> None:
        """Close all connections, those in use too."""
        for connection in self._connections.copy():
            connection.abort()

    async def _exchange(
        self, connection: Connection, origin: _Origin, data: bytes, timeouts: Mapping[str, float | None]
    ) -> httpx2.Response:
        try:
            connection.send(data, stall_timeout=timeouts.get("read"))
            response = await connection.head()
        except BaseException:
            connection.abort()
            raise
        return httpx2.Response(
            response.status,
            headers=response.headers,
            stream=_Body(connection, lambda: self._keep(origin, connection)),
            extensions={
                "http_version": b"HTTP/1.1",
                "reason_phrase": response.reason,
                PIECES: connection,
            },
        )

    async def _connect(self, origin: _Origin, seconds: float | None) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                addresses = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
                connected = await start_connection(addresses, happy_eyeballs_delay=_NEXT_ADDRESS_AFTER)
                try:
                    _, connection = await loop.create_connection(
                        lambda: Connection(self._lost),
                        sock=connected,
                        ssl=self._tls if origin.is_secure else None,
                        server_hostname=origin.host if origin.is_secure else None,
                    )
                except BaseException:
                    connected.close()
                    raise
        except TimeoutError:
            raise httpx2.ConnectTimeout(f"{origin.host}:{origin.port} does not answer.") from None
        # uvloop has its own for a socket that it does not like, and Python for a name that DNS cannot hold.
        except (OSError, RuntimeError, UnicodeError) as error:
            raise httpx2.ConnectError(f"{origin.host}:{origin.port}: {error}") from error
        self._connections.add(connection)
        return connection

    def _take(self, origin: _Origin) -> Connection | None:
        for place in reversed(range(len(self._idle))):
            if self._idle[place][0] == origin:
                _, connection = self._idle.pop(place)
                if connection.is_clean:
                    return connection
                connection.abort()
        return None

    def _keep(self, origin: _Origin, connection: Connection) -> None:
        if connection.response.reusable and len(self._idle) < MAX_IDLE:
            connection.rest(IDLE_SECONDS)
            self._idle.append((origin, connection))
        else:
            connection.abort()

    def _lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._idle = [kept for kept in self._idle if kept[1] is not connection]


class _Body(httpx2.AsyncByteStream):
    """The body of one response; `release` takes its connection back."""

    def __init__(self, connection: Connection, release: Callable[[], None]) -> None:
        self._connection = connection
        self._release: Callable[[], None] | None = release

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._connection

    async def aclose(self) -> None:
        if self._release is not None:
            self._release()
            self._release = None


def _origin(url: httpx2.URL) -> _Origin:
    if url.scheme not in ("http", "https"):
        raise httpx2.UnsupportedProtocol(f"{url.scheme}:// is not spoken here.")
    is_secure = url.scheme == "https"
    return _Origin(url.raw_host.decode(), url.port or (443 if is_secure else 80), is_secure)


def _head(request: httpx2.Request) -> bytes:
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%b: %b" % header for header in request.headers.raw]
    if any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines):
        # An API key out of a file may end in one. Its header is not named: the text goes to the log.
        raise httpx2.LocalProtocolError("A header of the request holds a line break.")
    return b"\r\n".join(lines) + b"\r\n\r\n"
