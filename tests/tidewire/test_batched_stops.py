"""A frame that starts a subscription and stops it again."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.tidewire.peer import Peer, data, error_of, request, stopped
from tidewire import Router

router = Router()


@router.subscription
async def wait() -> AsyncIterator[int]:
    yield 1
    await asyncio.Event().wait()


@router.query
async def ping() -> str:
    return "pong"


@pytest.mark.parametrize("max_subscriptions", [0, 1])
async def test_a_subscription_that_is_stopped_in_the_frame_that_starts_it_was_stopped(
    max_subscriptions: int,
) -> None:
    async with Peer(router, max_subscriptions=max_subscriptions) as peer:
        peer.send([request("subscription", "wait"), {"id": 1, "method": "subscription.stop"}])
        assert await peer.frame() == stopped()
        peer.call("query", "ping", id=2)
        assert await peer.frame() == data("pong", id=2)


async def test_of_too_many_those_that_are_stopped_at_once_are_not_refused() -> None:
    asked = [request("subscription", "wait", id=number) for number in (1, 2, 3)]
    stops = [{"id": number, "method": "subscription.stop"} for number in (1, 2)]
    async with Peer(router, max_subscriptions=1) as peer:
        peer.send([*asked, *stops])
        frames = {frame["id"]: frame for frame in await peer.frames(3)}
    assert (frames[1], frames[2]) == (stopped(1), stopped(2))
    assert error_of(frames[3])[1] == "TOO_MANY_REQUESTS"
