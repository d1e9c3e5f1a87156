"""The end of a real process under real signals: nothing is lost, and it ends in time with 0."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from signal import SIGINT, SIGTERM, Signals

import pytest
from websockets.exceptions import InvalidStatus

from tests.conformance.client import CLIENT_VERSIONS, ClientVersion, StockClient
from tests.tidewire.peer import data, started, stopped
from tests.tidewire.runner.ending import (
    APPS,
    RECONNECT,
    Door,
    Ending,
    Runner,
    event_stream,
    frame,
    frames_until,
    get,
    post,
    rest,
    run,
    send,
    socket,
)

RUNNERS: tuple[Runner, ...] = ("tidewire", "uvicorn")
# Plain uvicorn raises the signal again when it has shut down.
EXIT_CODES: Mapping[tuple[Runner, Signals], int] = {
    ("tidewire", SIGTERM): 0,
    ("tidewire", SIGINT): 0,
    ("uvicorn", SIGTERM): -SIGTERM,
    ("uvicorn", SIGINT): 0,
}

# Seconds, for a machine that is busy; what is told apart takes five times as many.
SLACK = 2.0

# uvicorn 0.54 says so of each upgrade that the application has denied.
DENIED = "ERROR:    ASGI callable returned without completing handshake."


@pytest.fixture(params=RUNNERS)
def runner(request: pytest.FixtureRequest) -> Runner:
    """A process with a server of ours, or plain uvicorn; the test runs with each."""
    runner: Runner = request.param
    return runner


def seconds() -> float:
    return asyncio.get_running_loop().time()


async def begin_to_add(client: StockClient, input: str) -> asyncio.Task[object]:
    """Call a mutation that is held, and wait until the server has it.

    What crosses `reconnect` on the wire would be lost to 11.18.
    """
    adding = asyncio.create_task(client.mutate("add", input))
    # In a task as well, or it would be sent first.
    assert await asyncio.create_task(client.query("ping")) == "pong"
    return adding


@pytest.mark.parametrize(
    ("runner", "number"), [("tidewire", SIGTERM), ("uvicorn", SIGINT)], indirect=["runner"]
)
async def test_each_socket_is_told_to_reconnect_when_its_calls_are_answered(
    runner: Runner, number: Signals
) -> None:
    async with run(runner=runner) as server, socket(server) as idle, socket(server) as busy:
        await send(busy, "mutation", "add", "held", id=1)
        await send(busy, "query", "ping", id=2)
        assert await frame(busy) == data("pong", id=2)
        server.kill(number)
        assert await frame(idle) == RECONNECT
        # Upgrades are refused, HTTP is not.
        with pytest.raises(InvalidStatus) as refused:
            async with socket(server):
                pass
        assert refused.value.response.status_code == 503
        assert (await get(f"{server.url}/ping"))[0] == 200
        # A socket that has been told is still served.
        await send(idle, "query", "ping", id=3)
        assert await frame(idle) == data("pong", id=3)
        await post(server, "release", "held")
        assert [await frame(busy), await frame(busy)] == [data("held", id=1), RECONNECT]
        assert [await rest(idle), await rest(busy)] == [([], 1012), ([], 1012)]
        assert await server.exit_code() == EXIT_CODES[runner, number]
        assert server.log.count("added held") == 1
        assert server.complaints == ([DENIED] if runner == "uvicorn" else [])


async def test_open_subscriptions_are_served_to_their_end(runner: Runner) -> None:
    async with run(runner=runner) as server, socket(server) as reader:
        await send(reader, "subscription", "until", "released")
        assert [await frame(reader), await frame(reader)] == [started(), data("first")]
        server.kill()
        assert await frame(reader) == RECONNECT
        await post(server, "release", "released")
        assert [await frame(reader), await frame(reader)] == [data("last"), stopped()]
        # Everybody has left, so nobody is waited for.
        await reader.close()
        assert await server.exit_code() == EXIT_CODES[runner, SIGTERM]
        assert server.complaints == []


async def test_what_has_no_end_is_closed_at_the_deadline_and_a_stuck_reader_is_cut_off() -> None:
    async with run(env={"TEST_GRACE": "3"}) as server, socket(server) as reader, socket(server) as stuck:
        await send(reader, "subscription", "count")
        await send(stuck, "subscription", "flood")
        assert await frame(stuck) == started()
        stuck.transport.pause_reading()
        asked = seconds()
        server.kill()
        frames, code = await rest(reader)
        assert (frames.count(RECONNECT), code) == (1, 1012)
        assert await server.exit_code() == 0
        assert seconds() - asked < 3 + SLACK
        assert server.complaints == []
        stuck.transport.abort()


async def test_two_hundred_sockets_are_all_told_before_any_is_closed() -> None:
    async with run(env={"TEST_GRACE": "60", "TEST_SPREAD": "0.5"}) as server, AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(socket(server)) for _ in range(200)]
        server.kill()
        told = await asyncio.gather(*map(frame, sockets))
        assert told == [RECONNECT] * 200
        assert not any(each.close_code for each in sockets)
        await asyncio.gather(*(each.close() for each in sockets))
        assert await server.exit_code() == 0
        assert server.complaints == []


async def test_an_event_stream_ends_without_return_and_can_be_resumed(runner: Runner) -> None:
    # A keep-alive connection that is idle does not hold the end up either.
    async with (
        run(f"{APPS}:idle", runner=runner, env={"TEST_GRACE": "60"}) as server,
        event_stream(server, "count") as lines,
    ):
        async for line in lines:
            if line == "id: 3":
                break
        asked = seconds()
        server.kill()
        left = [line async for line in lines]
        assert await server.exit_code() == EXIT_CODES[runner, SIGTERM]
        assert seconds() - asked < 2 + SLACK
        assert not any("return" in line for line in left)
        assert server.complaints == []


async def test_nothing_to_do_means_no_waiting(runner: Runner) -> None:
    async with run(runner=runner, env={"TEST_GRACE": "60"}) as server:
        asked = seconds()
        server.kill()
        assert await server.exit_code() == EXIT_CODES[runner, SIGTERM]
        assert seconds() - asked < SLACK
        assert server.complaints == []


@pytest.mark.parametrize("number", [SIGTERM, SIGINT])
async def test_a_second_signal_ends_it_at_once(number: Signals) -> None:
    async with run(env={"TEST_GRACE": "60"}) as server, socket(server) as reader, socket(server) as busy:
        await send(reader, "subscription", "count")
        await send(busy, "mutation", "add", "for ever")
        server.kill(number)
        await frames_until(reader, RECONNECT)
        asked = seconds()
        server.kill(number)
        assert await server.exit_code() == 0
        assert seconds() - asked < 2 + SLACK
        assert (await rest(reader))[1] == 1012
        (complaint,) = server.complaints
        assert complaint.endswith("mutation add failed: INTERNAL_SERVER_ERROR: Internal server error")


async def test_a_second_signal_goes_straight_to_plain_uvicorn() -> None:
    async with run(runner="uvicorn", env={"TEST_GRACE": "60"}) as server, socket(server) as reader:
        await send(reader, "subscription", "count")
        server.kill()
        await frames_until(reader, RECONNECT)
        asked = seconds()
        server.kill()
        assert await server.exit_code() == -SIGTERM
        assert seconds() - asked < 2 + SLACK
        assert server.complaints == []


async def test_a_shutdown_that_hangs_does_not_outlast_the_grace_period() -> None:
    async with run(f"{APPS}:hanging", env={"TEST_GRACE": "2"}) as server:
        asked = seconds()
        server.kill()
        assert await server.exit_code() == 0
        assert seconds() - asked < 2 + SLACK


async def test_an_event_loop_that_is_blocked_does_not_outlast_the_grace_period() -> None:
    async with run(env={"TEST_GRACE": "2"}) as server, socket(server) as blocking:
        await send(blocking, "mutation", "block")
        await server.printed("blocking")
        asked = seconds()
        server.kill()
        assert await server.exit_code() == 0
        assert seconds() - asked < 2 + SLACK


# ---------- the stock clients


@asynccontextmanager
async def restarted(server: Ending) -> AsyncGenerator[Ending]:
    """The same server again, on the same port, once the first one has ended well."""
    assert await server.exit_code() == 0
    async with run(port=server.port) as again:
        yield again
        assert again.complaints == []


@pytest.mark.usefixtures("node_modules")
@pytest.mark.parametrize("version", CLIENT_VERSIONS)
async def test_stock_clients_lose_nothing_when_the_server_is_restarted(version: ClientVersion) -> None:
    async with (
        run(env={"TEST_GRACE": "2"}) as server,
        StockClient(server.url, version=version) as client,
        client.subscribe("count") as subscription,
    ):
        numbers = [(await anext(subscription))["data"] for _ in range(3)]
        adding = await begin_to_add(client, "once")
        server.kill()
        await post(server, "release", "once")
        assert await adding == "once"
        async with restarted(server) as again:
            numbers += [(await anext(subscription))["data"] for _ in range(100)]
            # Only now: the stock client fails a query that is asked in the moment in which it connects.
            assert await client.query("ping") == "pong"
            await subscription.stop()
            assert "added once" not in again.log
        assert numbers == list(itertools.islice(itertools.count(1), len(numbers)))
        assert server.log.count("added once") == 1
        assert server.complaints == []


@pytest.mark.usefixtures("node_modules")
@pytest.mark.parametrize("version", CLIENT_VERSIONS)
async def test_stock_clients_move_to_a_new_server_without_a_pause(version: ClientVersion) -> None:
    grace = {"TEST_GRACE": "60"}
    async with (
        run(env=grace) as old,
        run(env=grace) as new,
        Door(old) as door,
        StockClient(door.url, version=version) as client,
        client.subscribe("count") as subscription,
    ):
        numbers = [(await anext(subscription))["data"] for _ in range(3)]
        adding = await begin_to_add(client, "once")
        door.server = new
        old.kill()
        await post(old, "release", "once")
        assert await adding == "once"
        # It has nobody to serve any more, which is long before its time is over.
        assert await old.exit_code() == 0
        numbers += [(await anext(subscription))["data"] for _ in range(50)]
        await subscription.stop()
        assert numbers == list(itertools.islice(itertools.count(1), len(numbers)))
        assert (old.log + new.log).count("added once") == 1
        assert old.complaints == new.complaints == []
