"""A TCP proxy that breaks the connections through it when a test says so."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

# How long anything awaited here may take before the test fails.
WAIT_SECONDS: Final = 15.0

# What the proxy itself takes from a server whose client is stuck, so that the server soon notices.
BUFFER_BYTES: Final = 4096

# Connections that may be made at once.
BACKLOG: Final = 2048

# Closing a socket that lingers for no time resets the connection.
_LINGER_NOT: Final = struct.pack("ii", 1, 0)

CutRule = Callable[[bytes], int | None]
"""Is given all bytes a connection has brought from the server so far. None lets all of them through;
a number lets so many through, and cuts the connection after them."""


def after_bytes(count: int) -> CutRule:
    """Cut after so many bytes from the server."""
    return lambda received: count if len(received) >= count else None


def after(text: bytes, times: int = 1) -> CutRule:
    """Cut right after `text` has come so many times from the server."""

    def rule(received: bytes) -> int | None:
        end = 0
        for _ in range(times):
            found = received.find(text, end)
            if found < 0:
                return None
            end = found + len(text)
        return end

    return rule


class Proxy:
    """Forwards connections on a port of its own to a server, both ways, until it is told to break them.

        async with serve("app:app") as server, Proxy(server.url) as proxy:
            proxy.cut_when(after(b"id: 3"))
            client = connect(proxy.url)

    Args:
        url: of the server, `http` or `ws`; its host and port are all that matters.
    """

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._server: asyncio.Server
        self._port = 0
        self._links: dict[_Link, asyncio.Task[None]] = {}
        self._changed = asyncio.Condition()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._stalled = False
        self._sips = 0
        self._swallowing = False
        self._forbidden: bytes | None = None
        self._rule: CutRule | None = None
        self._cuts_left = 0
        self.connections: int = 0
        """How many have been accepted so far."""
        self.cuts: int = 0
        """How many of them a rule has cut."""
        self.forwarded_bytes: int = 0
        """How many from the server have gone on to clients."""
        self.swallowed_bytes: int = 0
        """How many from clients were lost since the last `swallow`."""

    @property
    def url(self) -> str:
        """The server's URL by way of the proxy."""
        return self._target._replace(netloc=f"127.0.0.1:{self._port}").geturl()

    @property
    def open_connections(self) -> int:
        """How many there are now."""
        return len(self._links)

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refuse()
        # A client's end that waits for the flow to go on would not see that it is over.
        self.resume()
        self.cut()
        if self._links:
            async with asyncio.timeout(WAIT_SECONDS):
                await asyncio.wait(self._links.values())

    # ---------- faults

    def cut(self, *, reset: bool = False) -> None:
        """End every open connection now, towards both sides.

        Args:
            reset: by RST rather than FIN: bytes on their way may be lost.
        """
        for link in list(self._links):
            link.cut(reset=reset)

    def cut_when(self, rule: CutRule, *, times: int = 1) -> None:
        """Cut each connection, present and future, when `rule` says so, until `times` have been.

        What the rule lets through reaches the client before the connection ends. It takes the
        place of any earlier rule.
        """
        self._rule, self._cuts_left = rule, times

    def stall(self) -> None:
        """Take no more bytes from the server, as a client does that is stuck."""
        self._stalled = True
        self._flowing.clear()

    def resume(self) -> None:
        """Go on after `stall`, or `swallow`."""
        self._stalled = self._swallowing = False
        self._flowing.set()

    def sip(self, pieces: int = 1) -> None:
        """Take so many more pieces of at most `BUFFER_BYTES` from the server while stalled."""
        self._sips += pieces
        self._flowing.set()

    def swallow(self) -> None:
        """Lose what clients send, until `resume`; the connections that sent it are to be cut by then."""
        self._swallowing = True
        self.swallowed_bytes = 0

    def forbid(self, text: bytes | None) -> None:
        """Cut each connection on which a client sends this; None allows everything again."""
        self._forbidden = text

    def refuse(self) -> None:
        """Refuse new connections; open ones go on."""
        self._server.close()

    async def accept(self) -> None:
        """Take connections, again after `refuse`, on the same port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, backlog=BACKLOG)
        self._port = self._server.sockets[0].getsockname()[1]

    def lead_to(self, url: str) -> None:
        """Forward new connections to another server; open ones stay where they are."""
        self._target = urlsplit(url)

    # ---------- what happens

    async def connected(self, times: int = 1) -> None:
        """Wait until so many connections have been accepted since the start."""
        await self._until(lambda: self.connections >= times)

    async def idle(self) -> None:
        """Wait until no connection is open."""
        await self._until(lambda: not self._links)

    async def cut_by_rule(self, times: int = 1) -> None:
        """Wait until rules have cut so many connections since the start."""
        await self._until(lambda: self.cuts >= times)

    async def swallowed(self) -> None:
        """Wait until something has been lost since `swallow`."""
        await self._until(lambda: self.swallowed_bytes > 0)

    async def _until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_SECONDS), self._changed:
            await self._changed.wait_for(reached)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(self, reader, writer)
        running = asyncio.current_task()
        assert running is not None
        self._links[link] = running
        self.connections += 1
        try:
            await self._notify()
            await link.run(self._target.hostname or "", self._target.port or 80)
        finally:
            link.cut()
            del self._links[link]
            await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def flowing(self) -> None:
        """Wait until bytes may be taken from the server."""
        while not self._flowing.is_set():
            await self._flowing.wait()
        if self._stalled:
            self._sips -= 1
            if self._sips == 0:
                self._flowing.clear()

    def forbids(self, data: bytes) -> bool:
        """Whether a client may not send this."""
        return self._forbidden is not None and self._forbidden in data

    async def forwards(self, data: bytes) -> bool:
        """Whether what a client has sent goes on to the server."""
        if self._swallowing:
            self.swallowed_bytes += len(data)
            await self._notify()
        return not self._swallowing

    def passed(self, received: bytearray) -> int | None:
        """Apply the rule to a connection's bytes; a number means that the connection is to be cut."""
        if self._rule is None or self._cuts_left == 0:
            return None
        count = self._rule(bytes(received))
        if count is not None:
            self._cuts_left -= 1
            self.cuts += 1
        return count


class _Link:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._from_client = reader
        self._writers = [writer]
        self._received = bytearray()

    async def run(self, host: str, port: int) -> None:
        """Forward both ways until either side, or the proxy, ends it."""
        with contextlib.suppress(ConnectionError):
            from_server, to_server = await _connect(host, port)
            self._writers.append(to_server)
            up = asyncio.create_task(self._up(to_server))
            try:
                await self._down(from_server, self._writers[0])
            finally:
                up.cancel()
                await asyncio.wait({up})

    def cut(self, *, reset: bool = False) -> None:
        """End it towards both sides."""
        for writer in self._writers:
            if reset:
                connection: socket.socket = writer.get_extra_info("socket")
                # It may be closed already.
                with contextlib.suppress(OSError):
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            writer.transport.abort()

    async def _up(self, to_server: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await self._from_client.read(BUFFER_BYTES):
                if self._proxy.forbids(data):
                    self.cut()
                    break
                if await self._proxy.forwards(data):
                    to_server.write(data)
                    await to_server.drain()
        # A client that only closes one way is none of ours.
        to_server.transport.abort()

    async def _down(self, from_server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        sent = 0
        while data := await from_server.read(BUFFER_BYTES):
            await self._proxy.flowing()
            self._received += data
            allowed = self._proxy.passed(self._received)
            to_client.write(self._received[sent:allowed])
            self._proxy.forwarded_bytes += len(self._received[sent:allowed])
            sent = len(self._received)
            await to_client.drain()
            if allowed is not None:
                break
        # What was written is sent before the end.
        to_client.close()
        await to_client.wait_closed()


async def _connect(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    try:
        await asyncio.get_running_loop().sock_connect(connection, (host, port))
    except OSError:
        connection.close()
        raise
    return await asyncio.open_connection(sock=connection, limit=BUFFER_BYTES)
