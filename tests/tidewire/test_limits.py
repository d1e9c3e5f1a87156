"""What a connection refuses: too many calls, too much at once, and what is no request."""

import asyncio
from collections.abc import AsyncIterator

from tests.tidewire.peer import Peer, data, error_of, request, started, stopped
from tests.tidewire.waiting import for_ever
from tidewire import Router


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
