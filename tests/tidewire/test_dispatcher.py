"""What all connections share: lookup, and the end of everything that runs."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.tidewire.peer import Peer, error_of, started, stopped
from tidewire import Router, RPCError
from tidewire.dispatcher import Dispatcher


async def test_a_path_is_found_only_as_the_kind_it_was_declared_as() -> None:
    router = Router()

    @router.query
    async def get() -> None: ...

    dispatcher = Dispatcher(Router(notes=router))
    assert dispatcher.find("query", "notes.get").function is get
    with pytest.raises(RPCError, match='No "mutation"-procedure on path') as refused:
        dispatcher.find("mutation", "notes.get")
    assert refused.value.code == "NOT_FOUND"
    with pytest.raises(RPCError, match='No "query"-procedure on path "get"'):
        dispatcher.find("query", "get")


async def test_closing_when_nothing_runs_does_not_wait() -> None:
    await Dispatcher(Router()).close(grace=60)


async def test_closing_waits_for_the_mutations_of_clients_that_are_gone() -> None:
    begun, released = asyncio.Event(), asyncio.Event()
    trace: list[str] = []
    router = Router()

    @router.mutation
    async def save() -> None:
        begun.set()
        await released.wait()
        trace.append("saved")

    peer = Peer(router)
    async with peer:
        peer.call("mutation", "save")
        await begun.wait()
        await peer.session.close()
        assert len(peer.dispatcher.running) == 1
        closing = asyncio.create_task(peer.dispatcher.close(grace=60))
        await asyncio.sleep(0)
        assert not closing.done()
        released.set()
        await closing
    assert trace == ["saved"]
    assert peer.dispatcher.running == set()


async def test_closing_cancels_what_does_not_end_within_the_grace(caplog: pytest.LogCaptureFixture) -> None:
    begun = asyncio.Event()
    trace: list[str] = []
    router = Router()

    @router.mutation
    async def save() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            trace.append("cleaned up")

    peer = Peer(router)
    async with peer:
        peer.call("mutation", "save")
        await begun.wait()
        await peer.session.close()
        await peer.dispatcher.close(grace=0)
    assert trace == ["cleaned up"]
    assert peer.dispatcher.running == set()
    assert caplog.messages == ["mutation save failed: INTERNAL_SERVER_ERROR: Internal server error"]


async def test_closing_does_not_wait_for_ever_for_what_ignores_its_cancellation() -> None:
    begun, released = asyncio.Event(), asyncio.Event()
    router = Router()

    @router.mutation
    async def stubborn() -> None:
        begun.set()
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    peer = Peer(router, cleanup_timeout=0.01)
    async with peer:
        peer.call("mutation", "stubborn")
        await begun.wait()
        await peer.session.close()
        await peer.dispatcher.close(grace=0)
        assert len(peer.dispatcher.running) == 1
        released.set()


async def test_calls_of_open_connections_that_are_cut_off_are_answered() -> None:
    router = Router()

    @router.query
    async def wait() -> None:
        await asyncio.Event().wait()

    @router.subscription
    async def stream() -> AsyncIterator[int]:
        await asyncio.Event().wait()
        yield 1

    async with Peer(router) as peer:
        peer.call("subscription", "stream", id=2)
        assert await peer.frame() == started(2)
        peer.call("query", "wait", id=1)
        await peer.dispatcher.close(grace=0)
        frames = await peer.frames(3)
    internal = ("INTERNAL_SERVER_ERROR", "Internal server error")
    assert sorted(error_of(frame) for frame in frames if "error" in frame) == [(1, *internal), (2, *internal)]
    assert stopped(2) in frames
