"""One connection with many calls on it: their order, and how it ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from tests.tidewire.peer import Peer, data, request, started, stopped
from tests.tidewire.waiting import Trace, for_ever
from tidewire import ConnectionInfo, Router, tracked
from tidewire.dispatcher import Dispatcher
from tidewire.session import Session

# ---------- many calls at once


async def test_each_call_is_answered_as_soon_as_it_is_done() -> None:
    turns = [asyncio.Event() for _ in range(3)]
    router = Router()

    @router.query
    async def wait(turn: int) -> int:
        await turns[turn].wait()
        return turn

    async with Peer(router) as peer:
        peer.send([request("query", "wait", {"turn": turn}, id=turn) for turn in range(3)])
        for turn in (1, 2, 0):
            turns[turn].set()
            assert await peer.frame() == data(turn, id=turn)


async def test_many_calls_and_streams_at_once_do_not_mix_up_their_events() -> None:
    router = Router()

    @router.subscription
    async def count(name: str) -> AsyncIterator[str]:
        for number in range(10):
            yield f"{name} {number}"
            await asyncio.sleep(0)

    @router.query
    async def echo(input: int) -> int:
        await asyncio.sleep(0)
        return input

    names = [f"s{number}" for number in range(200)]
    async with Peer(router) as peer:
        for name in names:
            peer.call("subscription", "count", {"name": name}, id=name)
        peer.send([request("query", "echo", number, id=number) for number in range(200)])
        frames = await peer.frames(200 * 12 + 200)

    for name in names:
        events = [data(f"{name} {number}", id=name) for number in range(10)]
        assert [frame for frame in frames if frame["id"] == name] == [started(name), *events, stopped(name)]
    answers = [frame for frame in frames if isinstance(frame["id"], int)]
    assert sorted(frame["id"] for frame in answers) == list(range(200))
    assert all(frame == data(frame["id"], id=frame["id"]) for frame in answers)


# ---------- order


async def test_pong_travels_behind_the_data_that_is_queued() -> None:
    trace = Trace()
    router = Router()

    @router.subscription
    async def stream() -> AsyncIterator[int]:
        yield 1
        yield 2
        trace.note("sent")
        await for_ever()

    async with Peer(router, reads=False) as peer:
        peer.call("subscription", "stream")
        await trace.until("sent")
        peer.send("PING")
        peer.read()
        assert await peer.frames(4) == [started(), data(1), data(2), "PONG"]


async def test_the_clients_pong_is_not_answered() -> None:
    async with Peer(Router()) as peer:
        peer.send("PONG")
        assert await peer.all_frames() == []


async def test_the_reconnect_notification_travels_behind_the_data_that_is_queued() -> None:
    router = Router()

    @router.subscription
    async def stream() -> AsyncIterator[Any]:
        yield tracked("a", 1)
        peer.session.notify_reconnect()

    async with Peer(router) as peer:
        peer.call("subscription", "stream")
        frames = await peer.frames(4)
    assert frames[1]["result"]["id"] == "a"
    assert frames[2] == {"id": None, "method": "reconnect"}


# ---------- the end of a server


async def test_it_is_settled_while_no_query_and_no_mutation_is_under_way() -> None:
    released = asyncio.Event()
    router = Router()

    async def wait() -> str:
        await released.wait()
        return "done"

    router.query(name="query")(wait)
    router.mutation(name="mutation")(wait)

    @router.subscription
    async def stream() -> AsyncIterator[int]:
        yield 1
        await for_ever()

    async with Peer(router) as peer:
        session = peer.session
        peer.call("subscription", "stream", id=1)
        assert await peer.frames(2) == [started(1), data(1, id=1)]
        await session.settled()

        peer.call("query", "query", id=2)
        peer.call("mutation", "mutation", id=3)
        settled = asyncio.create_task(session.settled())
        await asyncio.sleep(0)
        assert not settled.done()
        released.set()
        assert sorted([(await peer.frame())["id"], (await peer.frame())["id"]]) == [2, 3]
        await settled


async def test_it_has_calls_while_any_is_open() -> None:
    router = Router()

    @router.subscription
    async def stream() -> AsyncIterator[int]:
        yield 1
        await for_ever()

    async with Peer(router) as peer:
        seen = [peer.session.has_calls]
        peer.call("subscription", "stream")
        assert await peer.frames(2) == [started(), data(1)]
        seen.append(peer.session.has_calls)
        peer.stop()
        assert await peer.frame() == stopped()
        seen.append(peer.session.has_calls)
    assert seen == [False, True, False]


async def test_a_call_that_comes_after_the_reconnect_notice_is_served() -> None:
    router = Router()

    @router.query
    async def ping() -> str:
        return "pong"

    async with Peer(router) as peer:
        peer.session.notify_reconnect()
        peer.call("query", "ping")
        assert await peer.frames(2) == [{"id": None, "method": "reconnect"}, data("pong")]


async def test_an_end_lets_what_waits_be_sent_and_takes_no_more_frames() -> None:
    router = Router()

    @router.query
    async def ping() -> str:
        return "pong"

    async with Peer(router, reads=False) as peer:
        peer.call("query", "ping")
        await peer.session.settled()
        peer.session.end(1012)
        peer.send("PING")
        peer.read()
        assert await peer.frames(2) == [data("pong"), None]
        assert peer.session.close_code == 1012


async def test_an_abort_sends_nothing_more_and_cuts_the_socket() -> None:
    cuts: list[str] = []
    session = Session(
        Dispatcher(Router()), ConnectionInfo(transport="memory"), cut=lambda: cuts.append("cut")
    )
    session.open()
    session.receive("PING")
    session.abort()
    assert [batch async for batch in session.outbox.batches()] == []
    assert cuts == ["cut"]
    await session.close()


async def test_it_has_ended_when_what_was_cancelled_has_cleaned_up() -> None:
    trace, released = Trace(), asyncio.Event()
    router = Router()

    @router.subscription
    async def stream() -> AsyncIterator[int]:
        try:
            trace.note("waiting")
            await for_ever()
            yield 1
        finally:
            await released.wait()

    async with Peer(router) as peer:
        peer.call("subscription", "stream")
        await trace.until("waiting")
        ended = asyncio.create_task(peer.session.ended())
        closing = asyncio.create_task(peer.session.close())
        await asyncio.sleep(0)
        assert not ended.done()
        released.set()
        await closing
        await ended
