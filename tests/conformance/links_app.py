"""What the stock client's links are tried on: a procedure for everything that a link can do."""

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET
from starlette.applications import Starlette
from starlette.routing import Mount

from tidewire import (
    ByteStream,
    Context,
    Endpoint,
    Form,
    Router,
    RPCError,
    SSEOptions,
    Tracked,
    tracked,
)

router = Router()
marks: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)


class Meeting(msgspec.Struct):
    at: datetime
    title: str | None = None


@router.query
async def echo(input: Any = UNSET) -> Any:
    return input


@router.mutation
async def save(input: Any = UNSET) -> Any:
    return input


@router.query
async def values() -> Any:
    return {
        "date": datetime(2024, 2, 29, 12, 34, 56, 789000, UTC),
        "map": {1: "one", 2: {"nested": True}},
        "set": {3},
        "bigint": 2**60,
        "undefined": UNSET,
        "nan": float("nan"),
        "none": None,
    }


@router.query
async def meet(input: Meeting) -> Meeting:
    return input


@router.query
async def fail(name: str) -> None:
    raise RPCError("CONFLICT", name)


@router.query
async def parts() -> Any:
    return {"now": 1, "later": later(), "numbers": numbers()}


async def later() -> str:
    return "later"


async def numbers() -> AsyncIterator[int]:
    for number in range(3):
        yield number


@router.query
async def hang(name: str) -> None:
    """Wait to be cancelled."""
    try:
        marks[f"{name} begun"].set()
        await asyncio.Event().wait()
    finally:
        marks[f"{name} cancelled"].set()


@router.query
async def until(mark: str) -> bool:
    await marks[mark].wait()
    return True


@router.query
async def params(ctx: Context) -> Any:
    return ctx.connection.connection_params


# ---------- subscriptions


@router.subscription
async def count(to: int, *, last_event_id: str | None = None) -> AsyncIterator[Tracked[Any]]:
    for number in range(int(last_event_id or 0) + 1, to + 1):
        yield tracked(str(number), {"number": number, "resumed": last_event_id})


@router.subscription
async def hold(name: str) -> AsyncIterator[int]:
    try:
        yield 1
        await asyncio.Event().wait()
    finally:
        marks[f"{name} cancelled"].set()


@router.subscription
async def flaky(*, last_event_id: str | None = None) -> AsyncIterator[Tracked[int]]:
    """Give two events each time, and fail after the second, until there have been six."""
    start = int(last_event_id or 0) + 1
    for number in range(start, start + 2):
        yield tracked(str(number), number)
    if start < 5:
        raise RPCError("TIMEOUT", "once more")


@router.subscription
async def cut(*, last_event_id: str | None = None) -> AsyncIterator[Tracked[int]]:
    """Give an event for each connection; the server ends all but the third one."""
    number = int(last_event_id or 0) + 1
    yield tracked(str(number), number)
    if number < 3:
        await asyncio.Event().wait()


@router.subscription
async def events() -> AsyncIterator[Any]:
    yield await values()


@router.subscription(name="paramsOf")
async def params_of(ctx: Context) -> AsyncIterator[Any]:
    yield ctx.connection.connection_params


# ---------- uploads


@router.mutation
async def form(input: Form) -> list[list[str]]:
    fields: list[list[str]] = []
    for name, value in input:
        if isinstance(value, str):
            fields.append([name, value])
        else:
            content = (await value.read()).decode()
            fields.append([name, value.filename or "", value.content_type or "", content])
    return fields


@router.mutation
async def octets(input: ByteStream) -> list[int]:
    content = await input.read()
    return [len(content), sum(content)]


def endpoint(**options: Any) -> Endpoint:
    transformer = os.environ.get("LINKS_TRANSFORMER", "none")
    return Endpoint(router, transformer=transformer, allow_method_override=True, **options)


app = Starlette(
    routes=[
        # A connection of no length: each stream is cut soon.
        Mount("/cutting", endpoint(sse=SSEOptions(max_duration=0.2))),
        *endpoint().routes("/api/trpc"),
    ]
)
