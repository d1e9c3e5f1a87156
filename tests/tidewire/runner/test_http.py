"""Real sockets whose clients do not read."""

import asyncio
import socket
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from uvicorn.server import ServerState

from tidewire import Router, create_app
from tidewire.runner.http import HTTPProtocol

WAIT_SECONDS = 15.0
LINES = "trpc-accept: application/jsonl\r\n"


class Log:
    """What the application went through."""

    def __init__(self) -> None:
        self.produced = 0
        self.closed = asyncio.Event()


def application(log: Log) -> Any:
    router = Router()

    async def flood() -> AsyncIterator[str]:
        try:
            while True:
                log.produced += 10_000
                yield "x" * 10_000
        finally:
            log.closed.set()

    router.subscription(name="flood")(flood)
    router.query(name="lines")(flood)
    return create_app(router, stuck_timeout=0.3)


@pytest.fixture
def log() -> Log:
    return Log()


class Running:
    """uvicorn's part of one connection at a time, on a port of its own."""

    def __init__(self, app: Any) -> None:
        self._lost = lost = asyncio.Event()

        class Protocol(HTTPProtocol):
            last_bytes_timeout = 0.1

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                lost.set()

        config = uvicorn.Config(app, log_config=None, timeout_keep_alive=0)
        state = ServerState()
        self._make = lambda: Protocol(config=config, server_state=state, app_state={})

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(self._make, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    async def ask(self, target: str, headers: str = "") -> socket.socket:
        """Ask for something, and read nothing of it."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, self._server.sockets[0].getsockname())
        await loop.sock_sendall(connection, f"GET {target} HTTP/1.1\r\nhost: a\r\n{headers}\r\n".encode())
        return connection

    async def deserted(self) -> None:
        """Wait until the server has got rid of the connection."""
        await asyncio.wait_for(self._lost.wait(), WAIT_SECONDS)


@pytest.mark.parametrize(
    ("target", "headers"), [("flood", ""), ("lines?batch=1", LINES)], ids=["events", "lines"]
)
async def test_a_stuck_client_costs_little_and_is_gone_within_seconds(
    log: Log, target: str, headers: str
) -> None:
    async with Running(application(log)) as running:
        connection = await running.ask(f"/api/trpc/{target}", headers)
        await asyncio.wait_for(log.closed.wait(), WAIT_SECONDS)
        await running.deserted()
        connection.close()
    # Half a megabyte for one that is stuck, and what the client's own system has taken.
    assert log.produced < 600_000


async def test_the_end_of_an_answer_that_is_not_read_does_not_keep_the_connection() -> None:
    async with Running(PlainTextResponse("x" * (8 << 20))) as running:
        connection = await running.ask("/")
        await running.deserted()
        connection.close()


async def test_an_idle_connection_is_closed_as_ever() -> None:
    async with Running(PlainTextResponse("hello")) as running:
        connection = await running.ask("/")
        received = b""
        async with asyncio.timeout(WAIT_SECONDS):
            while piece := await asyncio.get_running_loop().sock_recv(connection, 4096):
                received += piece
        assert received.endswith(b"hello")
        connection.close()
