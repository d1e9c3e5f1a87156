"""A subscription that is stopped: what still runs, and when that is answered."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from tests.tidewire.peer import OUTBOX_BYTES, Peer, data, error_of, request, started, stopped
from tests.tidewire.waiting import AT_ONCE, Trace, for_ever
from tidewire import CallInfo, ConnectionInfo, Next, Router


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
