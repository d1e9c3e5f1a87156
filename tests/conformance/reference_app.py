"""The reference router of `reference/ROUTER.md`, with the API of this project."""

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from msgspec import UNSET, UnsetType

from tidewire import (
    ByteStream,
    CallInfo,
    ConnectionInfo,
    Context,
    ErrorCode,
    ErrorReport,
    Form,
    Next,
    Router,
    RPCError,
    SSEOptions,
    Tracked,
    create_app,
    tracked,
)
from tidewire_protocol.superjson import BigInt

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ReferenceContext(Context):
    """Knows nothing but the connection params."""


async def make_context(connection: ConnectionInfo) -> ReferenceContext:
    params = connection.connection_params or {}
    if params.get("slow"):
        await asyncio.sleep(0.1)
    if params.get("deny"):
        raise RPCError("UNAUTHORIZED", "denied")
    return ReferenceContext(connection)


class Channels:
    """Who listens to what, in the whole process."""

    def __init__(self) -> None:
        self.listeners: defaultdict[str, set[asyncio.Queue[Any]]] = defaultdict(set)
        self.left = asyncio.Condition()

    def push(self, name: str, value: Any) -> int:
        for listener in self.listeners[name]:
            listener.put_nowait(value)
        return len(self.listeners[name])

    async def listen(self, name: str) -> AsyncIterator[Any]:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        self.listeners[name].add(queue)
        try:
            yield "ready"
            while (value := await queue.get()) != "end":
                yield value
        finally:
            self.listeners[name].discard(queue)
            async with self.left:
                self.left.notify_all()

    async def drained(self, name: str) -> bool:
        try:
            async with asyncio.timeout(2), self.left:
                await self.left.wait_for(lambda: not self.listeners[name])
        except TimeoutError:
            return False
        return True


channels = Channels()
router = Router()
inner = Router()
nested = Router(inner=inner)

# ---------- plain values


@router.query
async def hello(input: str | None = None) -> str:
    return f"hello {'world' if input is None else input}"


@router.query
async def undef() -> UnsetType:
    return UNSET


@router.query
async def nul() -> None:
    return None


@router.query
async def date() -> datetime:
    return EPOCH


@router.mutation
async def echo(input: Any = UNSET) -> Any:
    return input


@router.query
async def echo_query(input: Any = UNSET) -> Any:
    return input


@router.mutation
async def size(input: str) -> int:
    return len(input.encode("utf-16-le", "surrogatepass")) // 2


@router.mutation
async def depth(input: Any) -> int:
    levels = 0
    while isinstance(input, list):
        levels += 1
        input = input[0] if input else None
    return levels


@router.query(name="ctx")
async def show_context(ctx: ReferenceContext) -> dict[str, str] | None:
    params = ctx.connection.connection_params
    return None if params is None else dict(params)


async def resolved(value: Any) -> Any:
    return value


@nested.query
async def p() -> Any:
    return {"p": resolved(1), "x": 2}


@inner.query
async def ping() -> str:
    return "pong"


# ---------- validation


class Zin(msgspec.Struct):
    a: int | float


@router.query
async def zin(input: Zin) -> Zin:
    return input


@router.query
async def badout() -> str:
    return cast("str", 1)


# ---------- errors


@router.query
async def err() -> None:
    raise RPCError("TOO_MANY_REQUESTS", "slow down")


@router.query
async def fail(code: str, message: str | None = None) -> None:
    raise RPCError(cast("ErrorCode", code), message)


@router.query
async def throw_err() -> None:
    raise RuntimeError("plain")


@router.query
async def throw_str() -> None:
    raise RuntimeError("str")


@router.query
async def fmt() -> None:
    raise RuntimeError("formatter")


@router.query
async def circ() -> Any:
    circle: dict[str, Any] = {}
    circle["a"] = circle
    return circle


@router.query
async def big() -> Any:
    return BigInt(10)


# ---------- results that stream


async def iteration() -> AsyncIterator[Any]:
    yield 1
    await asyncio.sleep(0.75)
    yield {"d": EPOCH}


@router.query(name="iter")
async def iterate() -> Any:
    return iteration()


async def failing_iteration() -> AsyncIterator[Any]:
    yield 1
    raise RPCError("CONFLICT", "x")


@router.query
async def itererr() -> Any:
    return failing_iteration()


async def seven() -> AsyncIterator[int]:
    yield 7


async def rejected() -> None:
    raise RuntimeError("rej")


@router.query
async def deep() -> Any:
    return {"a": resolved({"b": resolved(1)}), "it": seven(), "rej": rejected()}


@router.query
async def feed_iter(channel: str) -> Any:
    return channels.listen(channel)


# ---------- subscriptions


@router.subscription
async def sub(input: Any = UNSET) -> AsyncIterator[Any]:
    yield tracked("1", {"in": input})
    yield "untracked"
    yield tracked("2", {"d": EPOCH})


@router.subscription
async def subecho(input: Any = UNSET) -> AsyncIterator[Tracked[Any]]:
    yield tracked("1", {"in": input})


@router.subscription
async def subreturn() -> AsyncIterator[int]:
    yield 1


@router.subscription
async def subping() -> AsyncIterator[int]:
    yield 1
    await asyncio.sleep(0.75)
    yield 2


@router.subscription
async def subtrack(id: str) -> AsyncIterator[Tracked[int]]:
    yield tracked(id, 1)


@router.subscription
async def suberr() -> AsyncIterator[int]:
    yield 1
    raise RPCError("BAD_REQUEST", "nope")


@router.subscription
async def subthrow() -> AsyncIterator[int]:
    raise RPCError("FORBIDDEN", "not you")


@router.subscription
async def subnot() -> AsyncIterator[int]:
    return cast("AsyncIterator[int]", 5)


@router.subscription
async def subundef() -> AsyncIterator[UnsetType | None]:
    yield UNSET
    yield None


@router.subscription
async def subin(input: Zin) -> AsyncIterator[int]:
    yield 1


@router.subscription
async def subforever() -> AsyncIterator[str]:
    try:
        await asyncio.Event().wait()
    finally:
        yield "late"


@router.subscription
async def slow() -> AsyncIterator[int]:
    await asyncio.sleep(0.2)
    yield 1


async def wait_before(call: CallInfo, next: Next) -> Any:
    await asyncio.sleep(0.15)
    return await next()


@router.subscription(use=[wait_before])
async def setup() -> AsyncIterator[int]:
    yield 1


@router.subscription
async def cleanup() -> AsyncIterator[int]:
    try:
        yield 1
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0.1)


@router.subscription
async def feed(channel: str) -> AsyncIterator[Any]:
    async for value in channels.listen(channel):
        yield value


# ---------- remote control


@router.mutation
async def push(channel: str, value: Any) -> int:
    return channels.push(channel, value)


@router.mutation
async def drained(channel: str) -> bool:
    return await channels.drained(channel)


@router.mutation
async def reconnect() -> None:
    app.state.endpoint.broadcast_reconnect()


# ---------- content types other than JSON


@router.mutation
async def form(input: Form) -> list[tuple[str, str]]:
    return [(name, value if isinstance(value, str) else "file") for name, value in input]


@router.mutation
async def octet(input: ByteStream) -> int:
    return sum([len(chunk) async for chunk in input])


def format_error(shape: dict[str, Any], report: ErrorReport) -> dict[str, Any]:
    cause = report.error.__cause__
    if cause is not None and str(cause) == "formatter":
        raise RuntimeError("the formatter failed")
    return shape


router.merge(Router(nested=nested))
app = create_app(
    router,
    context=make_context,
    transformer=os.environ.get("REFERENCE_TRANSFORMER", "none"),
    error_formatter=format_error,
    max_batch_size=10,
    max_message_bytes=4 << 20,
    sse=SSEOptions(ping_interval=0.5, reconnect_after_inactivity=3.0, retry_internal_errors=True),
    jsonl_ping_interval=0.5,
)
