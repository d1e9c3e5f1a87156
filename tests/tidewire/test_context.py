"""Contexts: one for each connection, made from what is known about it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.tidewire.peer import Peer, data, error_of
from tidewire import ConnectionInfo, Context, Router, RPCError
from tidewire.testing import Client

router = Router()


@router.query
async def params(ctx: Context) -> dict[str, str] | None:
    found = ctx.connection.connection_params
    return None if found is None else dict(found)


@router.query
async def identity(ctx: Any) -> int:
    return id(ctx)


@router.mutation
async def save() -> None: ...


async def test_the_default_context_knows_the_connection() -> None:
    async with Client(router, connection_params={"token": "t"}) as client:
        assert await client.query("params") == {"token": "t"}
    async with Client(router) as client:
        assert await client.query("params") is None


async def test_a_context_factory_may_be_async() -> None:
    async def make(connection: ConnectionInfo) -> Context:
        await asyncio.sleep(0)
        return Context(connection)

    async with Client(router, context=make, connection_params={}) as client:
        assert await client.query("params") == {}


async def test_one_context_serves_all_calls_of_a_connection() -> None:
    made: list[ConnectionInfo] = []

    def make(connection: ConnectionInfo) -> Context:
        made.append(connection)
        return Context(connection)

    async with Client(router, context=make, headers={"user-agent": "test"}) as client:
        assert len({await client.query("identity") for _ in range(3)}) == 1
    assert [(info.transport, dict(info.headers)) for info in made] == [("memory", {"user-agent": "test"})]


async def test_a_slow_context_keeps_calls_waiting_and_not_the_connection() -> None:
    ready = asyncio.Event()

    async def make(connection: ConnectionInfo) -> Context:
        await ready.wait()
        return Context(connection)

    async with Peer(router, context=make) as peer:
        peer.call("query", "params", id=1)
        peer.call("mutation", "save", id=2)
        assert await peer.all_frames() == []
        ready.set()
        assert await peer.frames(2) == [data(None, id=1), data(None, id=2)]


async def test_the_context_waits_for_announced_connection_params() -> None:
    async with Peer(router, announces_params=True) as peer:
        peer.send({"method": "connectionParams", "data": {"token": "t"}})
        peer.call("query", "params")
        assert await peer.frame() == data({"token": "t"})


@pytest.mark.parametrize(
    "first",
    [
        "{",
        "null",
        b"{}",
        '{"method":"connectionParams"}',
        '{"method":"connectionParams","data":{"token":1}}',
        '{"id":1,"method":"query","params":{"path":"params"}}',
    ],
)
async def test_wrong_connection_params_refuse_the_connection(first: str | bytes) -> None:
    async with Peer(router, announces_params=True) as peer:
        peer.send(first)
        assert error_of(await peer.frame())[:2] == (None, "PARSE_ERROR")
        assert await peer.frame() is None


def refuse(connection: ConnectionInfo) -> None:
    raise RPCError("UNAUTHORIZED", "log in first")


async def refuse_later(connection: ConnectionInfo) -> None:
    await asyncio.sleep(0)
    raise RPCError("UNAUTHORIZED", "log in first")


@pytest.mark.parametrize("make", [refuse, refuse_later])
async def test_a_context_that_refuses_answers_what_waits_and_ends_the_connection(
    make: Callable[[ConnectionInfo], Any],
) -> None:
    async with Peer(router, context=make) as peer:
        peer.call("query", "params", id=1)
        peer.call("mutation", "save", id=2)
        refused = [error_of(frame) for frame in await peer.frames(3)]
        assert await peer.frame() is None
    assert refused == [(id, "UNAUTHORIZED", "log in first") for id in (None, 1, 2)]


async def test_calls_after_a_refusal_are_not_run() -> None:
    reports: list[Any] = []
    async with Peer(router, context=refuse, on_error=reports.append) as peer:
        assert error_of(await peer.frame()) == (None, "UNAUTHORIZED", "log in first")
        assert await peer.frame() is None
        peer.call("mutation", "save")
    assert [report.path for report in reports] == [None]
