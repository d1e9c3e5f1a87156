"""WebSockets of our server, and of a plain one: the same for clients."""

import asyncio
import gc
import json
import weakref
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.datastructures import Headers as StarletteHeaders
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed

from tests.tidewire.peer import data, request, started, stopped
from tests.tidewire.runner.raw import RawConnection, RawSocket
from tests.tidewire.runner.servers import running
from tidewire import Router, tracked
from tidewire.dispatcher import Dispatcher
from tidewire.runner.protocol import PONG_BYTES, WebSocketProtocol
from tidewire.session import Session
from tidewire.transports.websocket import serve_websocket

SERVERS: dict[str, dict[str, Any]] = {
    "ours": {"ws": WebSocketProtocol, "ws_per_message_deflate": False},
    "ours, with compression": {"ws": WebSocketProtocol},
    "plain": {"ws": "websockets-sansio"},
}


class Hall:
    """Serves a router, and shows what goes on."""

    def __init__(self, **options: Any) -> None:
        self.sessions: set[Session] = set()
        self.closed = asyncio.Event()
        self._dispatcher = Dispatcher(self._router(), **options)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        await serve_websocket(self._dispatcher, WebSocket(scope, receive, send), self.sessions)

    def _router(self) -> Router:
        router = Router()

        @router.query
        async def length(input: str) -> int:
            return len(input)

        @router.subscription
        async def count(to: int) -> AsyncIterator[Any]:
            for number in range(to):
                yield tracked(f"{number}", "ü" * (number % 300))

        @router.subscription
        async def flood() -> AsyncIterator[str]:
            try:
                while True:
                    yield "x" * 10_000
            finally:
                self.closed.set()

        return router


@asynccontextmanager
async def served(server: str, **options: Any) -> AsyncGenerator[tuple[str, Hall]]:
    hall = Hall(**options)
    async with running(hall, **SERVERS[server]) as url:
        yield url, hall


def client(url: str, **options: Any) -> connect:
    return connect(url.replace("http", "ws", 1) + "/api/trpc", max_size=None, close_timeout=1, **options)


async def ask(connection: ClientConnection, message: Any) -> Any:
    await connection.send(json.dumps(message))
    return await frame(connection)


async def frame(connection: ClientConnection) -> Any:
    async with asyncio.timeout(10):
        return json.loads(await connection.recv())


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


async def test_every_event_arrives_in_order(server: str) -> None:
    async with served(server) as (url, _), client(url) as connection:
        assert await ask(connection, request("subscription", "count", {"to": 2000})) == started()
        for number in range(2000):
            result = (await frame(connection))["result"]
            assert (result["id"], result["data"]["data"]) == (f"{number}", "ü" * (number % 300))
        assert await frame(connection) == stopped()


async def test_messages_of_any_shape_are_received(server: str) -> None:
    async with served(server) as (url, _), client(url) as connection:
        for text in ("", "x" * 200, "ü" * 100_000):
            assert await ask(connection, request("query", "length", text)) == data(len(text))
        parts = json.dumps(request("query", "length", "in parts"))
        await connection.send([parts[:10], parts[10:20], parts[20:]])
        assert await frame(connection) == data(8)
        await connection.send(b"binary")
        assert (await frame(connection))["error"]["data"]["code"] == "PARSE_ERROR"


async def test_invalid_utf_8_ends_the_connection_with_1007(server: str) -> None:
    async with served(server) as (url, _), client(url) as connection:
        await connection.send(b"\xff", text=True)
        assert await close_code(connection) == 1007


async def test_an_end_closes_with_its_code_when_all_is_sent(server: str) -> None:
    async with served(server) as (url, hall), client(url) as connection:
        assert await ask(connection, request("query", "length", "x")) == data(1)
        (session,) = hall.sessions
        session.notify_reconnect()
        session.end(1012)
        assert await frame(connection) == {"id": None, "method": "reconnect"}
        assert await close_code(connection) == 1012
        async with asyncio.timeout(10):
            await session.ended()
        assert hall.sessions == set()


async def test_an_abort_ends_the_connection(server: str) -> None:
    async with served(server) as (url, hall), client(url) as connection:
        assert await ask(connection, request("query", "length", "x")) == data(1)
        (session,) = hall.sessions
        session.abort()
        async with asyncio.timeout(10):
            await session.ended()
        # Either cut without a word, or closed by a server that cannot.
        assert await close_code(connection) in (None, 1000, 1005)


async def test_a_stuck_reader_is_cut_off(server: str, caplog: pytest.LogCaptureFixture) -> None:
    async with served(server, stuck_timeout=0.3) as (url, hall), RawSocket(url) as stuck:
        await stuck.send(request("subscription", "flood"))
        async with asyncio.timeout(10):
            await hall.closed.wait()
        if server != "plain":
            await stuck.ended()
    assert len([line for line in caplog.messages if line.startswith("Cutting 127.0.0.1:")]) == 1


async def test_a_stuck_reader_that_says_goodbye_is_cut_off_as_well() -> None:
    async with served("ours", stuck_timeout=0.3) as (url, hall), RawSocket(url) as stuck:
        await stuck.send(request("subscription", "flood"))
        assert await stuck.read(100)
        (session,) = hall.sessions
        await stuck.write(bytes([0x88, 0x80, 0, 0, 0, 0]))
        async with asyncio.timeout(10):
            await session.ended()


async def test_pongs_for_a_peer_that_does_not_read_do_not_pile_up() -> None:
    protocols: list[WebSocketProtocol] = []

    class Seen(WebSocketProtocol):
        def handle_ping(self) -> None:
            super().handle_ping()
            if self not in protocols:
                protocols.append(self)

    async with running(Hall(), ws=Seen, ws_per_message_deflate=False) as url, RawSocket(url) as pinging:
        for _ in range(40):
            await pinging.write(b"".join(ping(b"x" * 125) for _ in range(1000)))
        await pinging.send(request("query", "length", "x"))
        (protocol,) = protocols
        assert protocol.unsent <= PONG_BYTES + 1000


def ping(payload: bytes) -> bytes:
    return bytes([0x89, 0x80 | len(payload), 0, 0, 0, 0]) + payload


async def test_a_peer_that_still_reads_is_not_closed_for_a_pong_that_is_late() -> None:
    pings = {"ws_ping_interval": 0.1, "ws_ping_timeout": 0.2}
    hall = Hall()
    async with (
        running(hall, ws=WebSocketProtocol, ws_per_message_deflate=False, **pings) as url,
        RawSocket(url) as slow,
    ):
        await slow.send(request("subscription", "count", {"to": 10_000}))
        loop = asyncio.get_running_loop()
        # It never answers a ping, and reads for longer than one may take.
        reads_until = loop.time() + 1
        while loop.time() < reads_until:
            assert await slow.read(4096)
            await asyncio.sleep(0.01)


async def close_code(connection: ClientConnection) -> int | None:
    try:
        async with asyncio.timeout(10):
            while True:
                await connection.recv()
    except ConnectionClosed as closed:
        return None if closed.rcvd is None else closed.rcvd.code


async def test_a_socket_keeps_nothing_of_its_handshake() -> None:
    # The process may hold those of other tests.
    others = {id(each): each for each in gc.get_objects()}
    async with served("ours") as (url, hall), client(url) as connection:
        assert await ask(connection, request("query", "length", "abc")) == data(3)
        assert not hall.scope["headers"]
        gc.collect()
        held = [each for each in gc.get_objects() if id(each) not in others]
        assert not [each for each in held if type(each) in (HTTPConnection, StarletteHeaders)]
        # The client, in the same process, keeps those that it sent and those that it got.
        assert len([each for each in held if isinstance(each, Headers) and each]) == 2


async def test_a_socket_that_is_closed_is_freed_at_once() -> None:
    made: list[weakref.ref[WebSocketProtocol]] = []
    freed = asyncio.Event()

    class Noted(WebSocketProtocol):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            made.append(weakref.ref(self, lambda reference: freed.set()))

    async with running(Hall(), ws=Noted, ws_per_message_deflate=False) as url:
        gc.disable()
        try:
            async with client(url) as connection:
                assert await ask(connection, request("query", "length", "abc")) == data(3)
            async with asyncio.timeout(10):
                await freed.wait()
        finally:
            gc.enable()


async def test_a_handshake_with_too_large_a_header_is_answered() -> None:
    async with running(Hall(), ws=WebSocketProtocol) as url, RawConnection(url) as connection:
        await connection.write(
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Cookie: " + b"a" * 9000 + b"\r\n\r\n"
        )
        assert (await connection.read()).startswith(b"HTTP/1.1 431 ")
        await connection.ended()
