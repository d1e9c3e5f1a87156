"""The real process: how sockets and the server end, and what is too large."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests import processes
from tests.processes import Server
from tests.tidewire.peer import data, error_of, request, started, stopped

APPS = "tests.tidewire.runner.apps"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with processes.serve(f"{APPS}:app") as running:
        yield running


@asynccontextmanager
async def socket(server: Server, **options: Any) -> AsyncGenerator[ClientConnection]:
    url = server.url.replace("http", "ws", 1) + "/api/trpc"
    async with connect(url, compression=None, max_size=None, close_timeout=1, **options) as connection:
        yield connection


async def ask(connection: ClientConnection, message: Mapping[str, Any]) -> Any:
    await connection.send(json.dumps(message))
    return await frame(connection)


async def frame(connection: ClientConnection) -> Any:
    async with asyncio.timeout(10):
        return json.loads(await connection.recv())


async def end(connection: ClientConnection) -> ConnectionClosed:
    """Read until the connection is over."""
    try:
        async with asyncio.timeout(10):
            while True:
                await connection.recv()
    except ConnectionClosed as closed:
        return closed


async def test_calls_are_answered(server: Server) -> None:
    async with socket(server) as connection:
        assert await ask(connection, request("query", "ping")) == data("pong")
        assert await ask(connection, request("subscription", "wait", id=2)) == started(2)
        assert await ask(connection, {"id": 2, "method": "subscription.stop"}) == stopped(2)


async def test_a_connection_that_is_refused_is_closed_without_a_code() -> None:
    async with processes.serve(f"{APPS}:refusing") as server, socket(server) as connection:
        assert error_of(await frame(connection)) == (None, "UNAUTHORIZED", "log in first")
        closed = await end(connection)
    assert closed.rcvd is not None
    assert closed.rcvd.code == 1005


async def test_a_page_of_another_origin_is_answered_with_403(server: Server) -> None:
    with pytest.raises(Exception, match="HTTP 403"):
        async with socket(server, origin="https://evil.com"):
            pass


# ---------- too large


async def test_a_message_over_the_limit_is_refused_on_its_own_id_and_the_socket_lives_on() -> None:
    async with processes.serve(f"{APPS}:small") as server, socket(server) as connection:
        assert await ask(connection, request("subscription", "wait", id="stream")) == started("stream")
        assert error_of(await ask(connection, request("mutation", "length", "x" * 1000, id="big"))) == (
            "big",
            "PAYLOAD_TOO_LARGE",
            "Message exceeds the limit of 1000 bytes",
        )
        assert await ask(connection, request("mutation", "length", "x" * 900, id=2)) == data(900, id=2)


async def test_the_limit_is_a_mebibyte_unless_set(server: Server) -> None:
    async with socket(server) as connection:
        assert await ask(connection, request("mutation", "length", "x" * 1_048_000)) == data(1_048_000)
        answer = await ask(connection, request("mutation", "length", "x" * 1_048_576))
        assert error_of(answer)[:2] == (1, "PAYLOAD_TOO_LARGE")


async def test_a_message_of_more_than_16_times_the_limit_closes_its_socket_and_no_other() -> None:
    async with (
        processes.serve(f"{APPS}:small") as server,
        socket(server) as other,
        socket(server) as huge,
    ):
        assert await ask(other, request("subscription", "wait", id=1)) == started(1)
        assert await ask(huge, request("subscription", "endless", id=1)) == started(1)
        await huge.send("x" * 17_000)
        closed = await end(huge)
        assert closed.rcvd is not None
        assert closed.rcvd.code == 1009
        assert await ask(other, request("query", "ping", id=2)) == data("pong", id=2)
    assert [line for line in server.log if "Traceback" in line or "never retrieved" in line] == []


# ---------- ends


async def test_a_client_that_vanishes_ends_its_streams_and_nothing_else(server: Server) -> None:
    async with socket(server) as other:
        async with socket(server) as vanishing:
            assert await ask(vanishing, request("subscription", "wait")) == started()
            vanishing.transport.abort()
        async with asyncio.timeout(10):
            while "closed" not in server.log:  # noqa: ASYNC110 - the log of a process tells nobody
                await asyncio.sleep(0.01)
        assert await ask(other, request("query", "ping")) == data("pong")


async def test_sigterm_closes_sockets_that_are_open_and_ends_the_process() -> None:
    loop = asyncio.get_running_loop()
    async with processes.serve(f"{APPS}:brief") as server, socket(server) as idle, socket(server) as busy:
        assert await ask(idle, request("subscription", "wait")) == started()
        assert await ask(busy, request("subscription", "endless")) == started()
        asked = loop.time()
        os.kill(server.pid, signal.SIGTERM)
        codes = [closed.rcvd and closed.rcvd.code for closed in (await end(idle), await end(busy))]
    assert loop.time() - asked < 5
    assert codes == [1012, 1012]
    assert "closed" in server.log
    assert [line for line in server.log if "Traceback" in line or "never retrieved" in line] == []


async def test_sigterm_lets_a_mutation_finish_whose_socket_is_closed() -> None:
    async with processes.serve(f"{APPS}:app") as server, socket(server) as connection:
        await connection.send(json.dumps(request("mutation", "save", id=1)))
        # Once this is answered, the mutation before it has begun.
        assert await ask(connection, request("query", "ping", id=2)) == data("pong", id=2)
        os.kill(server.pid, signal.SIGTERM)
        await end(connection)
    assert "saved" in server.log
