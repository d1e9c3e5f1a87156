"""A client that goes away: what is cancelled, what goes on, and that nothing is left."""

import asyncio
import gc
import json
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.tidewire.peer import OUTBOX_BYTES, Peer, request, started
from tests.tidewire.waiting import AT_ONCE, Trace, for_ever
from tidewire import CallInfo, ConnectionInfo, Context, Next, Router
from tidewire.dispatcher import Dispatcher
from tidewire.session import Session


async def test_a_disconnect_cancels_queries_and_subscriptions_and_lets_mutations_finish() -> None:
    trace, released = Trace(), asyncio.Event()
    router = Router()

    async def work(name: str) -> None:
        trace.note(f"{name} began")
        try:
            await released.wait()
            trace.note(f"{name} finished")
        except asyncio.CancelledError:
            trace.note(f"{name} cancelled")
            raise

    @router.query
    async def query() -> None:
        await work("query")

    @router.mutation
    async def mutation() -> None:
        await work("mutation")

    @router.subscription
    async def subscription() -> AsyncIterator[int]:
        await work("subscription")
        yield 1

    async with Peer(router) as peer:
        for id, kind in enumerate(("query", "mutation", "subscription")):
            peer.call(kind, kind, id=id)  # type: ignore[arg-type]
            await trace.until(f"{kind} began")
        await peer.session.close()
        assert set(trace[3:]) == {"query cancelled", "subscription cancelled"}
        released.set()
        await trace.until("mutation finished")
    assert peer.dispatcher.running == set()
    assert peer.raw == [b'{"id":2,"result":{"type":"started"}}']


async def test_a_disconnect_does_not_cut_the_cleanup_of_a_stopped_stream_short() -> None:
    trace, released = Trace(), asyncio.Event()
    router = Router()

    @router.subscription
    async def stream() -> AsyncIterator[int]:
        try:
            await for_ever()
            yield 1
        finally:
            trace.note("cleaning up")
            await released.wait()
            trace.note("clean")

    async with Peer(router) as peer:
        peer.call("subscription", "stream")
        assert await peer.frame() == started()
        peer.stop()
        await trace.until("cleaning up")
        closing = asyncio.create_task(peer.session.close())
        await asyncio.sleep(0)
        released.set()
        await closing
    assert trace == ["cleaning up", "clean"]


async def test_a_disconnect_waits_until_what_it_cancelled_has_cleaned_up() -> None:
    trace = Trace()
    router = Router()

    @router.subscription
    async def stream() -> AsyncIterator[int]:
        try:
            trace.note("waiting")
            await for_ever()
            yield 1
        finally:
            await asyncio.sleep(0)
            trace.note("clean")

    async with Peer(router) as peer:
        peer.call("subscription", "stream")
        await trace.until("waiting")
        await peer.session.close()
        assert trace == ["waiting", "clean"]


async def test_a_disconnect_does_not_wait_for_ever_for_a_stuck_cleanup(
    caplog: pytest.LogCaptureFixture,
) -> None:
    trace = Trace()
    router = Router()

    @router.query
    async def stuck() -> None:
        trace.note("began")
        try:
            await for_ever()
        finally:
            await for_ever()

    async with Peer(router, cleanup_timeout=AT_ONCE) as peer:
        peer.call("query", "stuck")
        await trace.until("began")
        await peer.session.close()
        assert caplog.messages == ["query stuck is still cleaning up 0.01 seconds after it was cancelled"]


async def test_a_mutation_runs_even_if_its_client_goes_before_the_context_is_there() -> None:
    trace, ready = Trace(), asyncio.Event()

    async def make(connection: ConnectionInfo) -> Context:
        trace.note("making the context")
        await ready.wait()
        return Context(connection)

    router = Router()

    @router.mutation
    async def save() -> None:
        trace.note("saved")

    async with Peer(router, context=make) as peer:
        peer.call("mutation", "save")
        await trace.until("making the context")
        await peer.session.close()
        ready.set()
        await trace.until("saved")
    assert peer.dispatcher.running == set()


async def test_a_context_that_nobody_waits_for_any_more_is_not_made() -> None:
    trace = Trace()

    async def make(connection: ConnectionInfo) -> None:
        try:
            trace.note("making the context")
            await for_ever()
        finally:
            trace.note("cancelled")

    router = Router()

    @router.query
    async def get() -> None: ...

    async with Peer(router, context=make) as peer:
        peer.call("query", "get")
        await trace.until("making the context")
        await peer.session.close()
        await trace.until("cancelled")


async def test_frames_after_the_end_are_ignored() -> None:
    router = Router()
    trace = Trace()

    @router.mutation
    async def save() -> None:
        trace.note("saved")

    async with Peer(router) as peer:
        await peer.session.close()
        peer.call("mutation", "save")
        peer.send("PING")
        peer.session.notify_reconnect()
        assert await peer.frame() is None
    assert trace == []


# ---------- leaks


class Stage:
    """A router with calls that stay in each phase, and the contexts to go with it."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.router = Router()
        self.router.query(self.wait())
        self.router.mutation(name="save")(self.wait())
        self.router.subscription(name="stream")(self.stream())
        self.router.subscription(name="setup", use=[self.stay])(self.stream())
        self.router.subscription(name="flood")(self.flood())

    async def slow_context(self, connection: ConnectionInfo) -> Context:
        await self.released.wait()
        return Context(connection)

    async def stay(self, call: CallInfo, next: Next) -> Any:
        await self.released.wait()
        return await next()

    def wait(self) -> Callable[[], Awaitable[None]]:
        async def wait() -> None:
            await self.released.wait()

        return wait

    def stream(self) -> Callable[[], AsyncIterator[int]]:
        async def stream() -> AsyncIterator[int]:
            try:
                yield 1
                await self.released.wait()
            finally:
                await asyncio.sleep(0)

        return stream

    def flood(self) -> Callable[[], AsyncIterator[str]]:
        async def flood() -> AsyncIterator[str]:
            while True:
                yield "x" * OUTBOX_BYTES

        return flood


CALLS = [
    request("query", "wait", id=1),
    request("mutation", "save", id=2),
    request("subscription", "stream", id=3),
    request("subscription", "setup", id=4),
    request("subscription", "flood", id=5),
    request("query", "nowhere", id=6),
    request("subscription", "stream", id=7),
    {"id": 7, "method": "subscription.stop"},
]


def begin(dispatcher: Dispatcher, *, announces_params: bool) -> Session:
    session = Session(dispatcher, ConnectionInfo(transport="memory"), announces_params=announces_params)
    session.open()
    if announces_params:
        session.receive('{"method":"connectionParams","data":{}}')
    for call in CALLS:
        session.receive(json.dumps(call))
    return session


@pytest.mark.parametrize(
    ("ticks", "slow_context", "announces_params"),
    [(0, False, False), (1, True, True), (3, False, True), (20, False, False), (20, True, False)],
)
async def test_nothing_is_left_of_200_connections_with_calls_in_every_phase(
    ticks: int, slow_context: bool, announces_params: bool
) -> None:
    stage = Stage()
    dispatcher = Dispatcher(stage.router, context=stage.slow_context if slow_context else Context)
    before = asyncio.all_tasks()
    sessions = [begin(dispatcher, announces_params=announces_params) for _ in range(200)]
    gone = [weakref.ref(session) for session in sessions]

    for _ in range(ticks):
        await asyncio.sleep(0)
    await asyncio.gather(*(session.close() for session in sessions))
    stage.released.set()
    await dispatcher.close(grace=10)
    for _ in range(2):
        await asyncio.sleep(0)

    assert asyncio.all_tasks() == before
    assert dispatcher.running == set()
    del sessions
    gc.collect()
    assert [ref() for ref in gone if ref() is not None] == []
