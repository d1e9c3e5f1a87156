"""Applications for `tidewire serve` that send more than is read."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from tidewire import Router, Tracked, create_app, tracked

STUCK_SECONDS: Final = 2.0

router = Router()


@router.query
async def ping() -> str:
    return "pong"


@router.query
async def large() -> str:
    return "x" * 100_000


@router.subscription
async def endless() -> AsyncIterator[str]:
    while True:
        yield "x" * 1000


@router.subscription
async def numbers(to: int) -> AsyncIterator[Tracked[str]]:
    for number in range(to):
        yield tracked(f"{number}", "x" * 1000)


@router.subscription
async def wait() -> AsyncIterator[int]:
    await asyncio.Event().wait()
    yield 1


impatient = create_app(router, stuck_timeout=STUCK_SECONDS)
frugal = create_app(router, max_subscriptions=2)
