"""A client that does not read: what waits for it, and how much of that is kept."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from tests.tidewire.peer import OUTBOX_BYTES, Peer, data, request, started, stopped
from tests.tidewire.waiting import Trace
from tidewire import Router


async def test_a_reader_that_does_not_read_holds_a_stream_back_until_it_does() -> None:
    event = "x" * (OUTBOX_BYTES // 4)
    produced = 0
    fifth = asyncio.Event()
    router = Router()

    @router.subscription
    async def stream() -> AsyncIterator[str]:
        nonlocal produced
        for _ in range(100):
            produced += 1
            if produced == 5:
                fifth.set()
            yield event

    async with Peer(router, reads=False) as peer:
        peer.call("subscription", "stream")
        await fifth.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        assert produced == 5
        peer.read()
        assert await peer.frames(102) == [started(), *[data(event)] * 100, stopped()]


async def test_many_streams_that_have_an_event_at_once_do_not_overflow_the_outbox() -> None:
    event = "x" * 10_000
    tide = asyncio.Event()
    waiting = 0
    router = Router()

    @router.subscription
    async def stream() -> AsyncIterator[str]:
        nonlocal waiting
        waiting += 1
        await tide.wait()
        yield event

    async with Peer(router, max_subscriptions=300) as peer:
        peer.send([request("subscription", "stream", id=id) for id in range(300)])
        assert await peer.frames(300) == [started(id) for id in range(300)]
        assert waiting == 300
        tide.set()
        frames = await peer.frames(600)
    assert sorted(frame["id"] for frame in frames if frame == data(event, id=frame["id"])) == list(range(300))


async def test_answers_wait_for_room_as_events_do() -> None:
    trace = Trace()
    router = Router()

    @router.query
    async def large(number: int) -> str:
        trace.note(f"ran {number}")
        return "x" * OUTBOX_BYTES

    async with Peer(router, reads=False) as peer:
        peer.send([request("query", "large", {"number": number}, id=number) for number in range(5)])
        await trace.until("ran 4")
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(peer.dispatcher.running) == 4
        peer.read()
        assert [frame["id"] for frame in await peer.frames(5)] == [0, 1, 2, 3, 4]


async def test_results_for_a_client_that_does_not_read_are_not_kept_without_limit() -> None:
    """Of queries, that is: they are asked again. No client sees a difference."""
    router = Router()

    @router.query
    async def large(number: int) -> str:
        trace.note(f"ran {number}")
        return f"{number}" + "x" * OUTBOX_BYTES

    trace = Trace()
    async with Peer(router, reads=False) as peer:
        tracemalloc.start()
        try:
            peer.send([request("query", "large", {"number": number}, id=number) for number in range(100)])
            await trace.until("ran 99")
            for _ in range(10):
                await asyncio.sleep(0)
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        peer.read()
        frames = await peer.frames(100)
    assert held < 10 * OUTBOX_BYTES
    assert [frame["id"] for frame in frames] == list(range(100))


async def test_small_results_that_wait_are_made_only_once() -> None:
    trace = Trace()
    router = Router()

    @router.query
    async def fill() -> str:
        return "x" * OUTBOX_BYTES

    @router.query
    async def small(number: int) -> str:
        trace.note(f"{number}")
        return "x" * 1000

    async with Peer(router, reads=False) as peer:
        peer.call("query", "fill", id="fill")
        peer.send([request("query", "small", {"number": number}, id=number) for number in range(100)])
        await trace.until("99")
        peer.read()
        await peer.frames(101)
    assert trace == [str(number) for number in range(100)]


async def test_mutations_run_once_and_end_the_connection_if_their_results_do_not_fit(
    caplog: pytest.LogCaptureFixture,
) -> None:
    trace = Trace()
    router = Router()

    @router.mutation
    async def save(number: int) -> str:
        trace.note(f"{number}")
        return "x" * OUTBOX_BYTES

    async with Peer(router, reads=False) as peer:
        peer.send([request("mutation", "save", {"number": number}, id=number) for number in range(10)])
        await peer.dispatcher.close(grace=10)
        assert peer.session.close_code == 1013
    assert trace == [str(number) for number in range(10)]
    assert caplog.messages == [
        "Closing the connection of the peer: the results of its mutations do not fit into the backlog"
    ]


async def test_a_keep_alive_while_a_large_result_is_on_its_way_ends_nothing() -> None:
    trace = Trace()
    router = Router()

    @router.query
    async def large() -> str:
        trace.note("ran")
        return "x" * (4 * OUTBOX_BYTES)

    async with Peer(router, reads=False) as peer:
        peer.call("query", "large")
        await trace.until("ran")
        await asyncio.sleep(0)
        for _ in range(100):
            peer.send("PING")
        peer.read()
        assert await peer.frames(101) == [data("x" * (4 * OUTBOX_BYTES)), *["PONG"] * 100]


async def test_events_of_streams_that_are_held_back_are_not_encoded_yet() -> None:
    waiting = Trace()
    router = Router()
    event = "x" * OUTBOX_BYTES

    @router.subscription
    async def stream(number: int) -> AsyncIterator[str]:
        waiting.note(f"{number}")
        yield event

    async with Peer(router, reads=False) as peer:
        tracemalloc.start()
        try:
            peer.send([request("subscription", "stream", {"number": id}, id=id) for id in range(100)])
            await waiting.until("99")
            await asyncio.sleep(0)
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert held < 10 * OUTBOX_BYTES


async def test_a_client_that_asks_without_end_and_never_reads_is_cut_off(
    caplog: pytest.LogCaptureFixture,
) -> None:
    trace = Trace()
    router = Router()

    @router.subscription
    async def endless() -> AsyncIterator[str]:
        try:
            while True:
                yield "x" * 10_000
                trace.note("yielded")
        finally:
            trace.note("closed")

    async with Peer(router, reads=False) as peer:
        peer.call("subscription", "endless")
        await trace.until("yielded")
        while not peer.session.outbox.closed:
            peer.call("query", "n" * 10_000, id=2)
            await asyncio.sleep(0)
        # With nobody to send to, a stream that never waits must not go on for ever.
        await trace.until("closed")
        peer.read()
        while await peer.frame() is not None:
            pass
    assert peer.session.close_code == 1013
    assert sum(map(len, peer.raw)) <= 1.5 * OUTBOX_BYTES + 20_000
    (message,) = caplog.messages
    assert message.startswith("Closing the connection of the peer: ")
    assert message.endswith(" bytes are waiting for a peer that does not read")
