"""What the load tester is tried on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from tidewire import ConnectionInfo, Context, Router, RPCError, Tracked, create_app, tracked

router = Router()


@router.query
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@router.mutation
async def create() -> dict[str, Any]:
    return {"id": "abc", "nested": {"number": 7}}


@router.query
async def needs(text: str, number: int) -> str:
    if (text, number) != ("abc", 7):
        raise RPCError("CONFLICT", f"got {text} and {number}")
    return text


@router.subscription
async def count(to: int, *, last_event_id: str | None = None) -> AsyncIterator[Tracked[int]]:
    for number in range(int(last_event_id or 0) + 1, to + 1):
        yield tracked(str(number), number)


@router.subscription
async def tick(*, last_event_id: str | None = None) -> AsyncIterator[Tracked[int]]:
    number = int(last_event_id or 0)
    while True:
        number += 1
        yield tracked(str(number), number)
        await asyncio.sleep(0.01)


@router.subscription
async def careless(*, last_event_id: str | None = None) -> AsyncIterator[Tracked[int]]:
    """Sends an event twice, one too late, and leaves one out."""
    for number in (1, 2, 2, 5, 3, 6):
        yield tracked(str(number), number)


async def context(connection: ConnectionInfo) -> Context:
    params = connection.connection_params
    if params is not None and params.get("token") != "right":
        raise RPCError("UNAUTHORIZED", "No such token")
    return Context(connection)


app = create_app(router, context=context)
