"""Everything that goes on over one connection: stops, disconnects, floods and limits."""

import asyncio
import gc
import json
import tracemalloc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest

from tests.tidewire.peer import OUTBOX_BYTES, Peer, data, error_of, request, started, stopped
from tidewire import CallInfo, ConnectionInfo, Context, Next, Router, tracked
from tidewire.dispatcher import Dispatcher
from tidewire.session import Session

# Short enough for a test, where nothing else than the timeout can end the wait.
AT_ONCE = 0.01


async def for_ever() -> None:
    await asyncio.Event().wait()


class Trace(list[str]):
    """What happened, in order; and a way to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def note(self, what: str) -> None:
        self.append(what)
        self._more.set()

    async def until(self, what: str) -> None:
        async with asyncio.timeout(10):
            while what not in self:
                self._more.clear()
                await self._more.wait()


# ---------- stops


async def test_a_stop_while_the_stream_waits_runs_its_finally_before_it_is_answered() -> None:
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
            trace.note("closed")

    async with Peer(router) as peer:
        peer.call("subscription", "stream")
        await trace.until("waiting")
        peer.stop()
        assert await peer.frames(2) == [started(), stopped()]
        assert trace == ["waiting", "closed"]


async def test_a_stop_while_the_stream_is_held_back_runs_its_finally_before_it_is_answered() -> None:
    trace = Trace()
    router = Router()

    @router.subscription
    async def stream() -> AsyncIterator[str]:
        try:
            yield "x" * OUTBOX_BYTES
            trace.note("held back")
            yield "not sent any more"
        finally:
            await asyncio.sleep(0)
            trace.note("closed")

    async with Peer(router, reads=False) as peer:
        peer.call("subscription", "stream")
        await trace.until("held back")
        peer.stop()
        peer.read()
        assert await peer.frames(3) == [started(), data("x" * OUTBOX_BYTES), stopped()]
        assert trace == ["held back", "closed"]


async def test_a_stop_during_setup_is_answered_with_stopped_only() -> None:
    trace = Trace()
    router = Router()

    @router.subscription
    async def stream() -> AsyncIterator[int]:
        try:
            trace.note("setting up")
            await for_ever()
        finally:
            trace.note("closed")
        return cast("AsyncIterator[int]", None)

    async with Peer(router) as peer:
        peer.call("subscription", "stream")
        await trace.until("setting up")
        peer.stop()
        assert await peer.frame() == stopped()
        assert await peer.all_frames() == []
    assert trace == ["setting up", "closed"]


async def test_a_stop_in_middleware_is_answered_with_stopped_only() -> None:
    trace = Trace()

    async def wait(call: CallInfo, next: Next) -> Any:
        try:
            trace.note("in middleware")
            await for_ever()
        finally:
            trace.note("left middleware")

    router = Router(use=[wait])

    @router.subscription
    async def stream() -> AsyncIterator[int]:
        trace.note("never")
        yield 1

    async with Peer(router) as peer:
        peer.call("subscription", "stream")
        await trace.until("in middleware")
        peer.stop()
        assert await peer.frame() == stopped()
    assert trace == ["in middleware", "left middleware"]


async def test_a_stop_before_the_calls_first_step_is_answered_and_nothing_runs() -> None:
    trace = Trace()
    router = Router()

    @router.subscription
    async def stream() -> AsyncIterator[int]:
        trace.note("never")
        yield 1

    async with Peer(router) as peer:
        peer.send([request("subscription", "stream"), {"id": 1, "method": "subscription.stop"}])
        assert await peer.frame() == stopped()
        assert await peer.all_frames() == []
    assert trace == []


async def test_a_stop_while_the_context_is_being_made_is_answered_at_once() -> None:
    async def make(connection: ConnectionInfo) -> None:
        await for_ever()

    router = Router()

    @router.subscription
    async def stream() -> AsyncIterator[int]:
        yield 1

    async with Peer(router, context=make) as peer:
        peer.call("subscription", "stream")
        peer.stop()
        assert await peer.frame() == stopped()


async def test_what_a_stopped_stream_still_yields_is_not_sent() -> None:
    trace = Trace()
    router = Router()

    @router.subscription
    async def stream() -> AsyncIterator[str]:
        try:
            yield "early"
            await for_ever()
        except asyncio.CancelledError:
            yield "late"
            trace.note("never")
        finally:
            trace.note("closed")

    async with Peer(router) as peer:
        peer.call("subscription", "stream")
        assert await peer.frames(2) == [started(), data("early")]
        peer.stop()
        assert await peer.frame() == stopped()
        assert await peer.all_frames() == []
    assert trace == ["closed"]


async def test_a_stream_that_fails_when_it_is_stopped_is_stopped_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    router = Router()

    @router.subscription
    async def stream() -> AsyncIterator[int]:
        try:
            await for_ever()
            yield 1
        finally:
            raise ValueError("while closing")

    async with Peer(router) as peer:
        peer.call("subscription", "stream")
        assert await peer.frame() == started()
        peer.stop()
        assert await peer.frame() == stopped()
        assert await peer.all_frames() == []
    assert "while closing" in caplog.text


async def test_a_stopped_stream_that_swallows_its_cancellation_is_cancelled_again_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    trace = Trace()
    router = Router()

    @router.subscription
    async def stubborn() -> AsyncIterator[int]:
        try:
            await for_ever()
        except asyncio.CancelledError:
            trace.note("swallowed")
        await for_ever()
        yield 1

    async with Peer(router, cleanup_timeout=AT_ONCE) as peer:
        peer.call("subscription", "stubborn")
        assert await peer.frame() == started()
        peer.stop()
        assert await peer.frame() == stopped()
    assert trace == ["swallowed"]
    assert caplog.messages == [
        "subscription stubborn is still cleaning up 0.01 seconds after it was cancelled"
    ]


async def test_a_cleanup_that_is_stuck_is_cancelled_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    trace = Trace()
    router = Router()

    @router.subscription
    async def stuck() -> AsyncIterator[int]:
        try:
            yield 1
            await for_ever()
        finally:
            trace.note("cleaning up")
            try:
                await for_ever()
            finally:
                trace.note("cut off")

    async with Peer(router, cleanup_timeout=AT_ONCE) as peer:
        peer.call("subscription", "stuck")
        assert await peer.frames(2) == [started(), data(1)]
        peer.stop()
        assert await peer.frame() == stopped()
    assert trace == ["cleaning up", "cut off"]
    assert len(caplog.messages) == 1


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


async def test_stopping_twice_or_something_unknown_changes_nothing() -> None:
    router = Router()
    released = asyncio.Event()

    @router.subscription
    async def stream() -> AsyncIterator[int]:
        try:
            await for_ever()
            yield 1
        finally:
            await released.wait()

    async with Peer(router) as peer:
        peer.stop(id="unknown")
        peer.call("subscription", "stream")
        assert await peer.frame() == started()
        peer.stop()
        await asyncio.sleep(0)
        peer.stop()
        released.set()
        assert await peer.frame() == stopped()
        peer.stop()
        assert await peer.all_frames() == []


async def test_a_query_cannot_be_stopped() -> None:
    released = asyncio.Event()
    router = Router()

    @router.query
    async def wait() -> str:
        await released.wait()
        return "done"

    async with Peer(router) as peer:
        peer.call("query", "wait")
        peer.stop()
        released.set()
        assert await peer.frame() == data("done")


async def test_the_id_of_an_ended_subscription_can_be_used_again() -> None:
    router = Router()

    @router.subscription
    async def stream(value: int) -> AsyncIterator[int]:
        yield value
        await for_ever()

    async with Peer(router) as peer:
        peer.call("subscription", "stream", {"value": 1})
        assert await peer.frames(2) == [started(), data(1)]
        peer.call("subscription", "stream", {"value": 2})
        assert error_of(await peer.frame()) == (1, "BAD_REQUEST", "Duplicate id 1")
        peer.stop()
        assert await peer.frame() == stopped()
        peer.call("subscription", "stream", {"value": 3})
        assert await peer.frames(2) == [started(), data(3)]


# ---------- disconnects


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


async def test_more_calls_than_allowed_are_refused_one_by_one() -> None:
    released = asyncio.Event()
    router = Router()

    @router.query
    async def wait() -> str:
        await released.wait()
        return "done"

    too_many = ("TOO_MANY_REQUESTS", "Too many calls at a time on one connection")
    async with Peer(router, max_calls=2) as peer:
        peer.send([request("query", "wait", id=id) for id in (1, 2, 3)])
        assert error_of(await peer.frame()) == (3, *too_many)
        peer.call("query", "wait", id=4)
        assert error_of(await peer.frame()) == (4, *too_many)
        released.set()
        assert await peer.frames(2) == [data("done", id=1), data("done", id=2)]
        peer.call("query", "wait", id=5)
        assert await peer.frame() == data("done", id=5)


async def test_a_refused_subscription_can_be_asked_for_again() -> None:
    router = Router()

    @router.subscription
    async def stream() -> AsyncIterator[int]:
        yield 1
        await for_ever()

    async with Peer(router, max_calls=1) as peer:
        peer.call("subscription", "stream", id=1)
        assert await peer.frames(2) == [started(1), data(1, id=1)]
        peer.call("subscription", "stream", id=2)
        assert error_of(await peer.frame())[:2] == (2, "TOO_MANY_REQUESTS")
        peer.stop(id=2)
        peer.stop(id=1)
        assert await peer.frame() == stopped(1)
        peer.call("subscription", "stream", id=2)
        assert await peer.frames(2) == [started(2), data(1, id=2)]


async def test_more_subscriptions_than_allowed_are_refused_one_by_one_and_hurt_nothing_else() -> None:
    router = Router()

    @router.subscription
    async def stream() -> AsyncIterator[int]:
        yield 1
        await for_ever()

    @router.query
    async def ping() -> str:
        return "pong"

    async with Peer(router, max_subscriptions=2) as peer:
        peer.send([request("subscription", "stream", id=id) for id in (1, 2, 3)])
        peer.call("query", "ping", id=4)
        frames = await peer.frames(6)
        assert error_of(frames[0]) == (
            3,
            "TOO_MANY_REQUESTS",
            "Too many subscriptions at a time on one connection",
        )
        assert data("pong", id=4) in frames
        assert [frame["id"] for frame in frames if frame == data(1, id=frame["id"])] == [1, 2]
        peer.stop(id=1)
        assert await peer.frame() == stopped(1)
        peer.call("subscription", "stream", id=5)
        assert await peer.frames(2) == [started(5), data(1, id=5)]


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


# ---------- what is refused


async def test_a_batch_that_is_too_large_is_refused_call_by_call() -> None:
    router = Router()

    @router.query
    async def one() -> int:
        return 1

    async with Peer(router, max_batch_size=2) as peer:
        peer.send([request("query", "one", id=id) for id in (1, 2, 3)])
        refused = [error_of(frame) for frame in await peer.frames(3)]
        peer.send([request("query", "one", id=id) for id in (4, 5)])
        assert await peer.frames(2) == [data(1, id=4), data(1, id=5)]
    assert refused == [(id, "BAD_REQUEST", "Batch call exceeds maximum size") for id in (1, 2, 3)]


async def test_a_message_that_is_too_large_is_refused_on_its_own_id() -> None:
    router = Router()

    @router.mutation
    async def size(input: str) -> int:
        return len(input)

    async with Peer(router, max_message_bytes=1000) as peer:
        peer.call("mutation", "size", "x" * 1000, id="big")
        assert error_of(await peer.frame()) == (
            "big",
            "PAYLOAD_TOO_LARGE",
            "Message exceeds the limit of 1000 bytes",
        )
        peer.call("mutation", "size", "x" * 900, id="small")
        assert await peer.frame() == data(900, id="small")


async def test_bad_frames_are_answered_and_hurt_no_call() -> None:
    released = asyncio.Event()
    router = Router()

    @router.query
    async def wait() -> str:
        await released.wait()
        return "done"

    async with Peer(router) as peer:
        peer.call("query", "wait", id=1)
        for frame in ("", "{", "null", "[1]", '{"id":2}', '{"id":2,"method":"query"}', b"binary"):
            peer.send(frame)
            assert error_of(await peer.frame())[1] == "PARSE_ERROR"
        peer.call("query", "nowhere", id=3)
        assert error_of(await peer.frame())[:2] == (3, "NOT_FOUND")
        released.set()
        assert await peer.frame() == data("done", id=1)


# ---------- order and backpressure


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


async def test_a_frame_of_very_many_bad_requests_is_not_answered_without_limit() -> None:
    reported = 0

    def count(report: object) -> None:
        nonlocal reported
        reported += 1

    async with Peer(Router(), on_error=count) as peer:
        peer.send("[" + ",".join(['{"id":1}'] * 30_000) + "]")
        frame = await peer.frame()
    assert frame is not None
    assert (frame["id"], frame["error"]["data"]["code"]) == (None, "BAD_REQUEST")
    assert reported == 1


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
