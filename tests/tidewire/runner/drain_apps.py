"""Applications whose end is tested: `TEST_GRACE` and `TEST_SPREAD` are their options."""

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette

from tidewire import Endpoint, Router, Tracked, create_app, tracked

router = Router()
released: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)


@router.query
async def ping() -> str:
    return "pong"


@router.query
async def hold(input: str) -> str:
    """Answer once `release` has been called for the input."""
    await released[input].wait()
    return input


@router.mutation
async def add(input: str) -> str:
    """The same, and say so."""
    await released[input].wait()
    print(f"added {input}", flush=True)
    return input


@router.mutation
async def release(input: str) -> None:
    released[input].set()


@router.subscription
async def count(*, last_event_id: str | None = None) -> AsyncIterator[Tracked[int]]:
    """Count up, for ever, from where the client is."""
    number = int(last_event_id or 0)
    while True:
        number += 1
        yield tracked(str(number), number)
        await asyncio.sleep(0.02)


@router.subscription
async def until(input: str) -> AsyncIterator[str]:
    """Give one event, and the last one once `release` has been called."""
    yield "first"
    await released[input].wait()
    yield "last"


@router.subscription
async def flood() -> AsyncIterator[str]:
    while True:
        yield "x" * 10_000


@router.mutation
async def block() -> None:
    """Block the event loop."""
    print("blocking", flush=True)
    time.sleep(60)  # noqa: ASYNC251 - that is the point


OPTIONS: dict[str, Any] = {
    "shutdown_grace": float(os.environ.get("TEST_GRACE", "5")),
    "shutdown_spread": float(os.environ.get("TEST_SPREAD", "0.2")),
}

app = create_app(router, **OPTIONS)


async def do_nothing(grace: float) -> None:
    """What an application has that holds no work in its subscriptions."""


idle = create_app(router, shutdown_work=do_nothing, **OPTIONS)

_endpoint = Endpoint(router, **OPTIONS)


@asynccontextmanager
async def _hanging(app: Starlette) -> AsyncGenerator[None]:
    async with _endpoint.lifespan():
        yield
    await asyncio.Event().wait()


hanging = Starlette(routes=_endpoint.routes("/api/trpc"), lifespan=_hanging)
