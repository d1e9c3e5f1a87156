"""One WebSocket: what the application learns of it, how it begins and ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.websockets import WebSocket

from tests.tidewire.peer import data, error_of, request, started
from tests.tidewire.transports.asgi import Direct, Socket
from tidewire import ConnectionInfo, Context, Endpoint, Router, RPCError
from tidewire.dispatcher import Dispatcher
from tidewire.session import Session
from tidewire.transports.websocket import serve_websocket
from tidewire.transports.wire import DIRECT_EXTENSION


def seeing(seen: list[ConnectionInfo]) -> Endpoint:
    def make(connection: ConnectionInfo) -> Context:
        seen.append(connection)
        return Context(connection)

    router = Router()

    @router.query
    async def ping() -> str:
        return "pong"

    return Endpoint(router, context=make)


async def test_the_context_learns_how_the_client_is_connected() -> None:
    seen: list[ConnectionInfo] = []
    headers = [("X-Twice", "first"), ("X-Twice", "second"), ("Cookie", "session=s; theme=dark")]
    lower = [(name.lower(), value) for name, value in headers]
    async with Socket(seeing(seen), "/api/trpc", query="a=b%20c", headers=lower) as socket:
        await socket.accepted()
        socket.send(request("query", "ping"))
        assert await socket.frame() == data("pong")

    (info,) = seen
    assert info.transport == "websocket"
    assert info.url == "ws://tidewire.test/api/trpc?a=b%20c"
    assert info.headers["x-twice"] == "first"
    assert info.cookies == {"session": "s", "theme": "dark"}
    assert info.client == "192.0.2.1:50000"
    assert info.connection_params is None


async def test_connection_params_come_first_if_the_url_announces_them() -> None:
    seen: list[ConnectionInfo] = []
    async with Socket(seeing(seen), query="connectionParams=1") as socket:
        await socket.accepted()
        assert seen == []
        socket.send({"method": "connectionParams", "data": {"token": "t"}})
        socket.send(request("query", "ping"))
        assert await socket.frame() == data("pong")
    assert seen[0].connection_params == {"token": "t"}


async def test_connection_params_that_were_not_announced_are_a_bad_message() -> None:
    async with Socket(seeing([])) as socket:
        await socket.accepted()
        socket.send({"method": "connectionParams", "data": {"token": "t"}})
        assert error_of(await socket.frame())[:2] == (None, "PARSE_ERROR")


async def refuse(connection: ConnectionInfo) -> None:
    raise RPCError("UNAUTHORIZED", "log in first")


async def test_a_refused_connection_hears_why_before_it_is_closed() -> None:
    async with Socket(Endpoint(Router(), context=refuse)) as socket:
        await socket.accepted()
        assert error_of(await socket.frame()) == (None, "UNAUTHORIZED", "log in first")
        assert await socket.message() == {"type": "websocket.close", "code": 1000, "reason": ""}


async def test_a_refused_connection_is_closed_without_a_code_where_the_server_can() -> None:
    direct = Direct()
    extensions = {DIRECT_EXTENSION: direct}
    async with Socket(Endpoint(Router(), context=refuse), extensions=extensions) as socket:
        await socket.accepted()
        (frame,) = await direct.writes.get()
        assert error_of(json.loads(frame)) == (None, "UNAUTHORIZED", "log in first")
        assert await socket.message() == {"type": "websocket.close", "code": None, "reason": ""}
        direct.gone.set()


async def test_a_disconnect_ends_the_streams_of_the_connection() -> None:
    closed = asyncio.Event()
    router = Router()

    @router.subscription
    async def stream() -> AsyncIterator[int]:
        try:
            await asyncio.Event().wait()
            yield 1
        finally:
            closed.set()

    async with Socket(Endpoint(router)) as socket:
        await socket.accepted()
        socket.send(request("subscription", "stream"))
        assert await socket.frame() == started()
        socket.disconnect()
        await socket.running
        assert closed.is_set()


async def test_a_client_that_goes_while_it_is_sent_to_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    router = Router()
    asked = asyncio.Event()

    @router.query
    async def ping() -> str:
        asked.set()
        return "pong"

    async with Socket(Endpoint(router)) as socket:
        await socket.accepted()
        socket.failure = OSError("the connection is lost")
        socket.send(request("query", "ping"))
        await asked.wait()
    assert caplog.messages == []


async def test_frames_are_read_while_others_cannot_be_sent() -> None:
    """Stock clients up to 11.22 loop for ever if the reply to their Close is late."""
    router = Router()
    arrived: list[int] = []
    all_arrived = asyncio.Event()

    @router.mutation
    async def arrive(input: int) -> None:
        arrived.append(input)
        if len(arrived) == 3:
            all_arrived.set()

    stuck = asyncio.Event()

    class StuckSocket(Socket):
        async def _send(self, message: Any) -> None:
            if message["type"] == "websocket.send":
                await stuck.wait()
            await super()._send(message)

    async with StuckSocket(Endpoint(router)) as socket:
        await socket.accepted()
        for number in range(3):
            socket.send(request("mutation", "arrive", number, id=number))
        async with asyncio.timeout(10):
            await all_arrived.wait()
        stuck.set()
        assert [(await socket.frame())["id"] for _ in range(3)] == [0, 1, 2]


async def test_nothing_is_left_of_connections_that_are_gone() -> None:
    router = Router()
    released = asyncio.Event()

    @router.subscription
    async def stream() -> AsyncIterator[int]:
        while True:
            yield 1
            await asyncio.sleep(0)

    @router.mutation
    async def save() -> None:
        await released.wait()

    endpoint = Endpoint(router)
    before = asyncio.all_tasks()
    for _ in range(50):
        async with Socket(endpoint) as socket:
            await socket.accepted()
            socket.send(request("subscription", "stream", id=1))
            socket.send(request("mutation", "save", id=2))
            assert await socket.frame() == started()
    released.set()
    await endpoint.dispatcher.close(grace=10)
    # A writer that was cancelled at the end of its connection takes one more step.
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


# ---------- ends that the server wants


class Hall:
    """Serves a router, and shows its sessions."""

    def __init__(self, router: Router, **options: Any) -> None:
        self.dispatcher = Dispatcher(router, **options)
        self.sessions: set[Session] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await serve_websocket(self.dispatcher, WebSocket(scope, receive, send), self.sessions)


def waiting(closed: asyncio.Event) -> Router:
    router = Router()

    @router.subscription
    async def wait() -> AsyncIterator[int]:
        try:
            await asyncio.Event().wait()
            yield 1
        finally:
            closed.set()

    return router


async def test_an_end_closes_with_its_code_after_what_waits() -> None:
    hall = Hall(Router())
    async with Socket(hall) as socket:
        await socket.accepted()
        (session,) = hall.sessions
        session.notify_reconnect()
        session.end(1012)
        assert await socket.frame() == {"id": None, "method": "reconnect"}
        assert await socket.message() == {"type": "websocket.close", "code": 1012, "reason": ""}
        socket.disconnect()
        async with asyncio.timeout(10):
            await session.ended()
        assert hall.sessions == set()


async def test_an_abort_ends_the_application_where_the_server_cannot_cut() -> None:
    closed = asyncio.Event()
    hall = Hall(waiting(closed))
    async with Socket(hall) as socket:
        await socket.accepted()
        socket.send(request("subscription", "wait"))
        assert await socket.frame() == started()
        (session,) = hall.sessions
        session.abort()
        async with asyncio.timeout(10):
            await session.ended()
            await socket.running
        assert closed.is_set()
        assert hall.sessions == set()
        session.abort()


async def test_an_abort_cuts_where_the_server_can() -> None:
    direct = Direct()
    hall = Hall(Router())
    async with Socket(hall, extensions={DIRECT_EXTENSION: direct}) as socket:
        await socket.accepted()
        (session,) = hall.sessions
        session.abort()
        assert direct.aborted
        socket.disconnect()
        async with asyncio.timeout(10):
            await session.ended()


async def test_a_session_has_not_ended_before_the_socket_is_gone() -> None:
    closed, direct = asyncio.Event(), Direct()
    hall = Hall(waiting(closed))
    async with Socket(hall, extensions={DIRECT_EXTENSION: direct}) as socket:
        await socket.accepted()
        assert direct.receive is not None
        direct.receive(json.dumps(request("subscription", "wait")))
        assert json.loads(*await direct.writes.get()) == started()
        (session,) = hall.sessions
        socket.disconnect()
        async with asyncio.timeout(10):
            await closed.wait()
        assert hall.sessions == {session}
        direct.gone.set()
        async with asyncio.timeout(10):
            await session.ended()


async def test_a_socket_that_does_not_go_is_cut() -> None:
    direct = Direct()
    hall = Hall(Router(), stuck_timeout=0.01)
    async with Socket(hall, extensions={DIRECT_EXTENSION: direct}) as socket:
        await socket.accepted()
        socket.disconnect()
        async with asyncio.timeout(10):
            await socket.running
    assert direct.aborted


# ---------- readers that do not read


async def test_a_stuck_reader_is_cut_off_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    closed, direct = asyncio.Event(), Direct()
    direct.unsent = 100
    hall = Hall(waiting(closed), stuck_timeout=0.01)
    async with Socket(hall, extensions={DIRECT_EXTENSION: direct}) as socket:
        await socket.accepted()
        assert direct.receive is not None
        direct.receive(json.dumps(request("subscription", "wait")))
        async with asyncio.timeout(10):
            await direct.gone.wait()
        socket.disconnect()
        await closed.wait()
    assert caplog.messages == ["Cutting 192.0.2.1:50000 off, which takes nothing of what is sent to it"]


async def test_a_stuck_reader_is_given_up_where_the_server_cannot_cut(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class StuckSocket(Socket):
        async def _send(self, message: Any) -> None:
            if message["type"] == "websocket.send":
                await asyncio.Event().wait()
            await super()._send(message)

    closed = asyncio.Event()
    async with StuckSocket(Hall(waiting(closed), stuck_timeout=0.01)) as socket:
        await socket.accepted()
        socket.send(request("subscription", "wait"))
        async with asyncio.timeout(10):
            await socket.running
    assert closed.is_set()
    assert len(caplog.messages) == 1
