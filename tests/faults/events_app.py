"""Subscriptions to be cut off and to fail, over server-sent events and WebSockets."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount

from tidewire import Context, Endpoint, Router, RPCError, SSEOptions, Tracked, tracked
from tidewire_protocol import ErrorCode

router = Router()
attempts: defaultdict[str, list[str | None]] = defaultdict(list)
"""The last event id of each call of a subscription, by what the client called it."""
changed = asyncio.Condition()


async def attempted(name: str, last_event_id: str | None) -> int:
    """Note a call, and give how many there have been."""
    async with changed:
        attempts[name].append(last_event_id)
        changed.notify_all()
    return len(attempts[name])


@router.query
async def attempted_with(name: str, least: int = 1) -> list[str | None]:
    """Wait until there have been that many calls."""
    async with changed:
        await changed.wait_for(lambda: len(attempts[name]) >= least)
    return attempts[name]


def number_of(last_event_id: str | None) -> int:
    return int(last_event_id.rpartition(".")[2]) if last_event_id else 0


@router.subscription
async def count(
    ctx: Context, name: str, to: int, pause_after: int = 0, *, last_event_id: str | None = None
) -> AsyncIterator[Tracked[Any]]:
    """Count, with ids that no other subscription has; fall silent after `pause_after`."""
    await attempted(name, last_event_id)
    for number in range(number_of(last_event_id) + 1, to + 1):
        yield tracked(f"{name}.{number}", [number, ctx.connection.connection_params])
        if number == pause_after:
            await asyncio.Event().wait()


@router.subscription
async def fail(name: str, code: ErrorCode) -> AsyncIterator[int]:
    """Fail, each time."""
    if await attempted(name, None):
        raise RPCError(code)
    yield 0


@router.subscription
async def crash(name: str) -> AsyncIterator[int]:
    """Have a bug."""
    if await attempted(name, None):
        raise RuntimeError("a bug")
    yield 0


@router.subscription
async def outage(name: str, after: int, *, last_event_id: str | None = None) -> AsyncIterator[Tracked[int]]:
    """Count to four, but fail for want of a database after so many events, twice."""
    tries = await attempted(name, last_event_id)
    for number in range(number_of(last_event_id) + 1, 5):
        if number > after and tries <= 2:
            raise RPCError("SERVICE_UNAVAILABLE", "The database is down")
        yield tracked(f"{name}.{number}", number)


def endpoint(**options: Any) -> Endpoint:
    return Endpoint(router, on_error=lambda report: None, sse=SSEOptions(reconnect_pause=0.001, **options))


app = Starlette(
    routes=[
        Mount("/retrying", endpoint(retry_internal_errors=True)),
        Mount("/impatient", endpoint(reconnect_after_inactivity=0.25)),
        *endpoint().routes("/api/trpc"),
    ]
)
