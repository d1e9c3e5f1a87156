"""The in-memory client that users test their routers with."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from msgspec import UNSET, UnsetType

from tidewire import ConnectionInfo, Context, Router, RPCError, Tracked, tracked
from tidewire.testing import CallError, Client, ConnectionClosedError

router = Router()


class Note(msgspec.Struct, rename="camel"):
    note_id: str
    text: str | UnsetType = UNSET


@router.query
async def get(note_id: str) -> Note:
    if note_id == "missing":
        raise RPCError("NOT_FOUND", "no such note")
    return Note(note_id)


@router.mutation
async def rename(note_id: str, text: str) -> Note:
    return Note(note_id, text)


@router.query
async def nothing() -> UnsetType:
    return UNSET


@router.query
async def whoami(ctx: Context) -> list[str | None]:
    params = ctx.connection.connection_params or {}
    return [ctx.connection.transport, params.get("token"), ctx.connection.headers.get("user-agent")]


@router.query
async def hang() -> None:
    await asyncio.Event().wait()


@router.subscription
async def count(to: int, *, last_event_id: str | None = None) -> AsyncIterator[Tracked[int] | str]:
    for number in range(int(last_event_id or 0) + 1, to + 1):
        yield tracked(str(number), number)
    yield "done"


@router.subscription
async def fail() -> AsyncIterator[int]:
    yield 1
    raise RPCError("CONFLICT", "busy")


@router.subscription
async def refuse() -> AsyncIterator[int]:
    raise RPCError("FORBIDDEN", "not you")


@router.subscription
async def silent() -> AsyncIterator[int]:
    await asyncio.Event().wait()
    yield 1


async def test_queries_and_mutations_give_what_a_browser_would_get() -> None:
    async with Client(router) as client:
        assert await client.query("get", {"noteId": "n"}) == {"noteId": "n"}
        assert await client.mutate("rename", {"noteId": "n", "text": "t"}) == {"noteId": "n", "text": "t"}
        assert await client.query("nothing") is None


async def test_an_error_is_raised_with_its_code_message_and_shape() -> None:
    async with Client(router) as client:
        with pytest.raises(CallError, match="no such note") as refused:
            await client.query("get", {"noteId": "missing"})
    assert refused.value.code == "NOT_FOUND"
    assert refused.value.shape["data"] == {"code": "NOT_FOUND", "httpStatus": 404, "path": "get"}


async def test_connection_params_and_headers_reach_the_context() -> None:
    headers = {"user-agent": "test"}
    async with Client(router, connection_params={"token": "t"}, headers=headers) as client:
        assert await client.query("whoami") == ["memory", "t", "test"]
    async with Client(router) as client:
        assert await client.query("whoami") == ["memory", None, None]


async def test_calls_can_be_made_at_the_same_time() -> None:
    async with Client(router) as client:
        notes = await asyncio.gather(*(client.query("get", {"noteId": str(id)}) for id in range(50)))
    assert [note["noteId"] for note in notes] == [str(id) for id in range(50)]


async def test_events_are_iterated_over_until_the_stream_ends() -> None:
    async with Client(router) as client, client.subscribe("count", {"to": 2}) as events:
        assert [event async for event in events] == [Tracked("1", 1), Tracked("2", 2), "done"]


async def test_a_subscription_can_be_resumed() -> None:
    async with (
        Client(router) as client,
        client.subscribe("count", {"to": 3}, last_event_id="2") as events,
    ):
        assert [event async for event in events] == [Tracked("3", 3), "done"]


async def test_the_failure_of_a_stream_is_raised_after_its_events() -> None:
    async with Client(router) as client, client.subscribe("fail") as events:
        assert await anext(events) == 1
        with pytest.raises(CallError, match="busy"):
            await anext(events)


async def test_the_failure_of_a_setup_is_raised_by_the_first_event() -> None:
    async with Client(router) as client, client.subscribe("refuse") as events:
        with pytest.raises(CallError, match="not you"):
            await anext(events)


async def test_a_subscription_is_stopped_at_the_end_of_its_block() -> None:
    closed = asyncio.Event()
    local = Router()

    @local.subscription
    async def endless() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
                await asyncio.sleep(0)
        finally:
            closed.set()

    async with Client(local) as client:
        async with client.subscribe("endless") as events:
            assert await anext(events) == 1
        async with asyncio.timeout(10):
            await closed.wait()


async def test_leaving_the_client_ends_everything_that_runs() -> None:
    trace: list[str] = []
    begun, released = asyncio.Event(), asyncio.Event()
    local = Router()

    @local.mutation
    async def save() -> None:
        begun.set()
        await released.wait()
        trace.append("saved")

    @local.subscription
    async def stream() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            trace.append("closed")

    before = asyncio.all_tasks()
    async with Client(local) as client:
        saving = asyncio.create_task(client.mutate("save"))
        await begun.wait()
        async with client.subscribe("stream") as events:
            await anext(events)
        asyncio.get_running_loop().call_soon(released.set)
    with pytest.raises(ConnectionClosedError):
        await saving
    assert trace == ["closed", "saved"]
    assert asyncio.all_tasks() == before


async def test_an_answer_that_does_not_come_in_time_is_a_timeout() -> None:
    # Long enough for an answer that does come, even if the machine is busy.
    async with Client(router, timeout=0.5) as client:
        with pytest.raises(TimeoutError):
            await client.query("hang")
        async with client.subscribe("silent") as events:
            with pytest.raises(TimeoutError):
                await anext(events)
        assert await client.query("get", {"noteId": "n"}) == {"noteId": "n"}


async def test_a_refused_connection_refuses_every_call_with_the_reason() -> None:
    async def make(connection: ConnectionInfo) -> None:
        raise RPCError("UNAUTHORIZED", "log in first")

    async with Client(router, context=make) as client:
        for _ in range(2):
            with pytest.raises(CallError, match="log in first") as refused:
                await client.query("get", {"noteId": "n"})
            assert refused.value.code == "UNAUTHORIZED"
        async with client.subscribe("silent") as events:
            with pytest.raises(CallError, match="log in first"):
                await anext(events)


async def test_what_a_dispatcher_can_be_told_the_client_can_as_well() -> None:
    async with Client(router, max_message_bytes=1000) as client:
        with pytest.raises(CallError) as refused:
            await client.mutate("rename", {"noteId": "n", "text": "x" * 1000})
    assert refused.value.code == "PAYLOAD_TOO_LARGE"
