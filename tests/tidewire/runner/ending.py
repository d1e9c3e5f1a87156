"""Server processes that are told to end, and what clients see of it."""

import asyncio
import contextlib
import json
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from signal import SIGKILL, SIGTERM, Signals
from types import TracebackType
from typing import Any, Final, Literal, Self

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.processes import ROOT, START_LINE, START_SECONDS, server_environment
from tests.tidewire.peer import request

Runner = Literal["tidewire", "uvicorn"]

APPS: Final = "tests.tidewire.runner.drain_apps"
WAIT_SECONDS: Final = 15.0
RECONNECT: Final = {"id": None, "method": "reconnect"}

COMMANDS: Final[Mapping[Runner, list[str]]] = {"tidewire": ["tidewire", "serve"], "uvicorn": ["uvicorn"]}
UVICORN_START: Final = re.compile(r"INFO: +Uvicorn running on (http://127\.0\.0\.1:\d+)")


class Ending:
    """A server's process."""

    def __init__(self, process: Process) -> None:
        self.log: list[str] = []
        self._process = process
        self._url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read())
        self._arrival = asyncio.Event()

    async def listening(self) -> None:
        """Wait until it serves."""
        waiting: list[asyncio.Future[Any]] = [self._url, self._reading]
        await asyncio.wait(waiting, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not self._url.done():
            raise RuntimeError("the server does not listen:\n" + "\n".join(self.log))

    @property
    def url(self) -> str:
        return f"{self._url.result()}/api/trpc"

    @property
    def port(self) -> str:
        return self._url.result().rpartition(":")[2]

    @property
    def complaints(self) -> list[str]:
        """Lines that nobody wants to see."""
        bad = re.compile(r"Traceback|never retrieved|was destroyed|never awaited|ERROR")
        return [line for line in self.log if bad.search(line)]

    def kill(self, number: Signals = SIGTERM) -> None:
        self._process.send_signal(number)

    async def printed(self, line: str) -> None:
        """Wait for a line of its output."""
        async with asyncio.timeout(WAIT_SECONDS):
            while line not in self.log:
                self._arrival.clear()
                await self._arrival.wait()

    async def exit_code(self) -> int:
        """Wait for its end."""
        async with asyncio.timeout(WAIT_SECONDS):
            await self._process.wait()
            await self._reading
        assert self._process.returncode is not None
        return self._process.returncode

    async def close(self) -> None:
        if self._process.returncode is None:
            self.kill(SIGKILL)
        await self.exit_code()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            line = raw.decode(errors="replace").rstrip("\n")
            self.log.append(line)
            self._arrival.set()
            started = START_LINE.match(line) or UVICORN_START.match(line)
            if started and not self._url.done():
                self._url.set_result(started[1])


@asynccontextmanager
async def run(
    target: str | None = f"{APPS}:app",
    *,
    runner: Runner = "tidewire",
    port: str = "0",
    env: Mapping[str, str] | None = None,
) -> AsyncGenerator[Ending]:
    """Run a server; what is left of it at the end is killed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *COMMANDS[runner], *([target] if target else [])),
        *("--host", "127.0.0.1", "--port", port),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        env=server_environment() | dict(env or {}),
        cwd=ROOT,
    )
    server = Ending(process)
    try:
        await server.listening()
        yield server
    finally:
        await server.close()


class Door:
    """What stands before the servers of a deploy: new connections go to `server`, open ones stay."""

    def __init__(self, server: Ending) -> None:
        self.server = server

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        await self._listener.wait_closed()

    @property
    def url(self) -> str:
        """Of the endpoint."""
        port = self._listener.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}/api/trpc"

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", int(self.server.port))
        await asyncio.gather(_pump(reader, outer), _pump(inner, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


# ---------- WebSockets


@asynccontextmanager
async def socket(server: Ending, **options: Any) -> AsyncGenerator[ClientConnection]:
    """A connection to a server."""
    url = server.url.replace("http", "ws", 1)
    async with connect(url, compression=None, max_size=None, close_timeout=1, **options) as connection:
        yield connection


async def send(connection: ClientConnection, kind: Any, path: str, input: Any = ..., *, id: int = 1) -> None:
    """Ask for a call."""
    await connection.send(json.dumps(request(kind, path, input, id=id)))


async def frame(connection: ClientConnection) -> Any:
    """The next frame."""
    async with asyncio.timeout(WAIT_SECONDS):
        return json.loads(await connection.recv())


async def frames_until(connection: ClientConnection, wanted: Mapping[str, Any]) -> list[Any]:
    """The frames before the one that is wanted."""
    found: list[Any] = []
    while (received := await frame(connection)) != wanted:
        found.append(received)
    return found


async def rest(connection: ClientConnection) -> tuple[list[Any], int | None]:
    """The frames until the connection is over, and the code it was closed with."""
    found: list[Any] = []
    try:
        while True:
            found.append(await frame(connection))
    except ConnectionClosed as closed:
        return found, None if closed.rcvd is None else closed.rcvd.code


# ---------- HTTP


async def post(server: Ending, path: str, input: Any) -> Any:
    """Call a mutation; gives its result."""
    async with httpx2.AsyncClient(timeout=WAIT_SECONDS) as client:
        response = await client.post(f"{server.url}/{path}", json=input)
    return response.json()["result"].get("data")


async def get(url: str) -> tuple[int, str]:
    """The status and text of a page."""
    async with httpx2.AsyncClient(timeout=WAIT_SECONDS) as client:
        response = await client.get(url)
    return response.status_code, response.text


@asynccontextmanager
async def event_stream(server: Ending, path: str) -> AsyncGenerator[AsyncGenerator[str]]:
    """The lines of a subscription as server-sent events."""
    headers = {"accept": "text/event-stream"}
    async with (
        httpx2.AsyncClient(timeout=WAIT_SECONDS) as client,
        client.stream("GET", f"{server.url}/{path}", headers=headers) as response,
        contextlib.aclosing(_lines(response)) as lines,
    ):
        yield lines


async def _lines(response: httpx2.Response) -> AsyncGenerator[str]:
    async for line in response.aiter_lines():
        yield line
