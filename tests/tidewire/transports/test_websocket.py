"""One WebSocket: what the application learns of it, how it begins and ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.tidewire.peer import data, error_of, request, started
from tests.tidewire.transports.asgi import Socket
from tidewire import ConnectionInfo, Context, Endpoint, Router, RPCError
from tidewire.transports.websocket import NORMAL_CLOSE_EXTENSION


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


@pytest.mark.parametrize(
    ("extensions", "close"),
    [
        ([], {"type": "websocket.close", "code": 1000, "reason": ""}),
        ([NORMAL_CLOSE_EXTENSION], {"type": "websocket.close", "code": None, "reason": ""}),
    ],
)
async def test_a_refused_connection_hears_why_before_it_is_closed(
    extensions: list[str], close: dict[str, Any]
) -> None:
    async with Socket(Endpoint(Router(), context=refuse), extensions=extensions) as socket:
        await socket.accepted()
        assert error_of(await socket.frame()) == (None, "UNAUTHORIZED", "log in first")
        assert await socket.message() == close


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
