"""The real process: what clients cost that do not read, and what becomes of them and of others."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests import processes
from tests.processes import Server
from tests.tidewire.peer import data, error_of, request, started, stopped
from tests.tidewire.runner.floods import STUCK_SECONDS
from tests.tidewire.runner.raw import RawSocket

FLOODS = "tests.tidewire.runner.floods"

# What is promised of one connection.
CONNECTION_BYTES = 512 * 1024


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with processes.serve(f"{FLOODS}:impatient") as running:
        yield running


@asynccontextmanager
async def socket(server: Server) -> AsyncGenerator[ClientConnection]:
    url = server.url.replace("http", "ws", 1) + "/api/trpc"
    async with connect(url, compression=None, max_size=None, close_timeout=1) as connection:
        yield connection


async def ask(connection: ClientConnection, message: Any) -> Any:
    await connection.send(json.dumps(message))
    async with asyncio.timeout(10):
        return json.loads(await connection.recv())


def cut_off(server: Server) -> list[str]:
    return [line for line in server.log if "takes nothing of what is sent" in line]


async def logged(server: Server, count: int) -> None:
    async with asyncio.timeout(20):
        while len(cut_off(server)) < count:  # noqa: ASYNC110 - the log of a process tells nobody
            await asyncio.sleep(0.01)


def memory(server: Server, name: str) -> int:
    """A number of bytes from the kernel: VmRSS is what a process has, VmHWM the most it had."""
    lines = Path(f"/proc/{server.pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024


def sockets(server: Server) -> int:
    """How many the process has open."""
    files = Path(f"/proc/{server.pid}/fd").iterdir()
    return sum(os.path.lexists(file) and os.readlink(file).startswith("socket:") for file in files)


async def closed(server: Server, before: int) -> None:
    """Wait until it has as many sockets as before, though nobody reads from them."""
    async with asyncio.timeout(10):
        while sockets(server) > before:  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.01)


def forget_most(server: Server) -> None:
    """Let VmHWM begin at VmRSS again."""
    Path(f"/proc/{server.pid}/clear_refs").write_text("5")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory of a process from /proc")
async def test_stuck_readers_cost_little_are_cut_off_and_disturb_nobody(server: Server) -> None:
    stuck_readers = 40
    async with socket(server) as other, AsyncExitStack() as stuck:
        assert await ask(other, request("query", "ping")) == data("pong")
        before = memory(server, "VmRSS")
        open_before = sockets(server)
        forget_most(server)

        readers = [await stuck.enter_async_context(RawSocket(server.url)) for _ in range(stuck_readers)]
        for reader in readers:
            await reader.send(request("subscription", "endless", id="endless"))
            await reader.send([request("query", "large", id=id) for id in range(20)])

        # Meanwhile, with everybody else stuck:
        assert await ask(other, request("subscription", "numbers", {"to": 5000})) == started()
        async with asyncio.timeout(20):
            frames = [json.loads(await other.recv()) for _ in range(5001)]
        assert [frame["result"]["id"] for frame in frames[:-1]] == [f"{number}" for number in range(5000)]
        assert frames[-1] == stopped()

        await logged(server, stuck_readers)
        await closed(server, open_before)
        grown = memory(server, "VmHWM") - before
        assert await ask(other, request("query", "ping")) == data("pong")

    # Of 2 MiB of results and a flood without end.
    assert grown < stuck_readers * CONNECTION_BYTES
    assert len(cut_off(server)) == stuck_readers
    assert [line for line in server.log if "Traceback" in line or "never retrieved" in line] == []


async def test_a_slow_reader_is_only_held_back_and_loses_nothing(server: Server) -> None:
    count = 3000
    async with RawSocket(server.url) as slow:
        await slow.send(request("subscription", "numbers", {"to": count}))
        frames: list[Any] = []
        loop = asyncio.get_running_loop()
        # Longer than a reader may take nothing. Each pause is far shorter.
        slow_until = loop.time() + 2 * STUCK_SECONDS
        while loop.time() < slow_until:
            frames += await slow.frames(16_384)
            await asyncio.sleep(STUCK_SECONDS / 20)
        assert len(frames) < count
        while len(frames) < count + 2:
            frames += await slow.frames()
    assert [frame["result"].get("id") for frame in frames] == [None, *map(str, range(count)), None]
    assert cut_off(server) == []


async def test_a_slow_reader_gets_all_the_results_it_has_asked_for(server: Server) -> None:
    async with RawSocket(server.url) as slow:
        await slow.send([request("query", "large", id=id) for id in range(30)])
        frames: list[Any] = []
        while len(frames) < 30:
            frames += await slow.frames(16_384)
    assert sorted(frame["id"] for frame in frames) == list(range(30))
    assert all(frame == data("x" * 100_000, id=frame["id"]) for frame in frames)


async def test_one_subscription_too_many_is_refused_and_the_others_go_on() -> None:
    async with processes.serve(f"{FLOODS}:frugal") as server, socket(server) as connection:
        for id in (1, 2):
            assert await ask(connection, request("subscription", "wait", id=id)) == started(id)
        refused = await ask(connection, request("subscription", "wait", id=3))
        assert error_of(refused)[:2] == (3, "TOO_MANY_REQUESTS")
        assert await ask(connection, request("query", "ping", id=4)) == data("pong", id=4)
        assert await ask(connection, {"id": 1, "method": "subscription.stop"}) == stopped(1)
        assert await ask(connection, request("subscription", "wait", id=5)) == started(5)
