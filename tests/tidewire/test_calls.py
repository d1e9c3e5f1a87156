"""Running one call: threads, timeouts, and streams of every make."""

import asyncio
import contextvars
import functools
import threading
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest

from tests.tidewire.peer import OUTBOX_BYTES, Peer, data, error_of, started, stopped
from tests.tidewire.waiting import AT_ONCE, for_ever
from tidewire import CallInfo, Context, Next, Router, RPCError
from tidewire.testing import CallError, Client

# ---------- plain functions


async def test_a_plain_function_runs_in_a_thread() -> None:
    router = Router()

    @router.query
    def thread(ctx: Context, value: int) -> list[int]:
        return [threading.get_ident(), value]

    async with Client(router) as client:
        ident, value = await client.query("thread", {"value": 3})
    assert ident != threading.get_ident()
    assert value == 3


async def test_a_plain_function_does_not_hold_others_up() -> None:
    released = threading.Event()
    router = Router()

    @router.query
    def wait() -> bool:
        return released.wait(10)

    @router.query
    async def release() -> None:
        released.set()

    async with Peer(router) as peer:
        peer.call("query", "wait", id=1)
        peer.call("query", "release", id=2)
        assert await peer.frames(2) == [data(None, id=2), data(True, id=1)]


async def test_a_plain_function_sees_the_context_variables_that_middleware_set() -> None:
    user = contextvars.ContextVar[str]("user")

    async def log_in(call: CallInfo, next: Next) -> Any:
        user.set("ann")
        return await next()

    router = Router(use=[log_in])

    @router.query
    def whoami() -> str:
        return user.get()

    async with Client(router) as client:
        assert await client.query("whoami") == "ann"


async def test_a_plain_function_may_give_the_stream_of_a_subscription() -> None:
    async def numbers() -> AsyncIterator[int]:
        yield 1
        yield 2

    router = Router()

    @router.subscription
    def count() -> AsyncIterator[int]:
        return numbers()

    async with Client(router) as client, client.subscribe("count") as events:
        assert [event async for event in events] == [1, 2]


async def test_an_async_function_inside_a_plain_decorator_is_awaited() -> None:
    def decorate(function: Callable[..., Awaitable[str]]) -> Callable[..., Awaitable[str]]:
        @functools.wraps(function)
        def wrapper(**arguments: Any) -> Awaitable[str]:
            return function(**arguments)

        return wrapper

    router = Router()

    @router.query
    @decorate
    async def greet(name: str) -> str:
        return f"hello {name}"

    async with Client(router) as client:
        assert await client.query("greet", {"name": "ann"}) == "hello ann"


@pytest.mark.parametrize(
    "error", [StopIteration("secret"), StopAsyncIteration("secret"), ValueError("secret")]
)
async def test_whatever_a_plain_function_raises_is_answered(error: Exception) -> None:
    router = Router()

    @router.query
    def fail() -> None:
        raise error

    async with Client(router) as client:
        with pytest.raises(CallError, match="Internal server error"):
            await client.query("fail")


# ---------- timeouts


@pytest.mark.parametrize("kind", ["query", "mutation"])
async def test_a_call_that_takes_too_long_is_cancelled_and_answered_with_timeout(kind: str) -> None:
    cancelled: list[bool] = []
    router = Router()

    async def wait() -> None:
        try:
            await for_ever()
        finally:
            cancelled.append(True)

    (router.query if kind == "query" else router.mutation)(timeout=AT_ONCE)(wait)
    async with Peer(router) as peer:
        peer.call(kind, "wait")  # type: ignore[arg-type]
        assert error_of(await peer.frame()) == (1, "TIMEOUT", "No answer within 0.01 seconds")
    assert cancelled == [True]


async def test_the_timeout_counts_middleware_in() -> None:
    async def slow(call: CallInfo, next: Next) -> Any:
        await for_ever()

    router = Router(use=[slow])

    @router.query(timeout=AT_ONCE)
    async def quick() -> None: ...

    async with Client(router) as client:
        with pytest.raises(CallError) as refused:
            await client.query("quick")
    assert refused.value.code == "TIMEOUT"


async def test_a_subscription_that_takes_too_long_to_set_up_is_refused_without_a_stream() -> None:
    router = Router()

    @router.subscription(timeout=AT_ONCE)
    async def count() -> AsyncIterator[int]:
        await for_ever()
        return cast("AsyncIterator[int]", None)

    async with Peer(router) as peer:
        peer.call("subscription", "count")
        assert error_of(await peer.frame()) == (1, "TIMEOUT", "No answer within 0.01 seconds")
        assert await peer.all_frames() == []


async def test_a_stream_whose_next_event_takes_too_long_ends_with_timeout() -> None:
    trace: list[str] = []
    router = Router()

    @router.subscription(timeout=AT_ONCE)
    async def count() -> AsyncIterator[int]:
        try:
            yield 1
            await for_ever()
        finally:
            trace.append("closed")

    async with Peer(router) as peer:
        peer.call("subscription", "count")
        assert await peer.frames(2) == [started(), data(1)]
        assert error_of(await peer.frame()) == (1, "TIMEOUT", "No answer within 0.01 seconds")
        assert await peer.frame() == stopped()
    assert trace == ["closed"]


async def test_a_slow_reader_does_not_use_up_the_time_of_the_next_event() -> None:
    held = asyncio.Event()
    router = Router()

    @router.subscription(timeout=AT_ONCE)
    async def flood() -> AsyncIterator[str]:
        yield "x" * OUTBOX_BYTES
        held.set()
        yield "the last one"

    async with Peer(router, reads=False) as peer:
        peer.call("subscription", "flood")
        await held.wait()
        loop = asyncio.get_running_loop()
        late = asyncio.Event()
        loop.call_later(2 * AT_ONCE, late.set)
        await late.wait()
        peer.read()
        assert (await peer.frames(4))[2:] == [data("the last one"), stopped()]


@pytest.mark.parametrize("options", [{}, {"timeout": 60.0}])
async def test_a_timeout_error_of_the_procedures_own_is_not_reported_as_timeout(
    options: Any,
) -> None:
    router = Router()

    @router.query(**options)
    async def upstream() -> None:
        async with asyncio.timeout(0):
            await for_ever()

    @router.subscription(**options)
    async def stream() -> AsyncIterator[int]:
        yield 1
        raise TimeoutError("secret")

    async with Client(router) as client:
        with pytest.raises(CallError, match="Internal server error") as refused:
            await client.query("upstream")
        assert refused.value.code == "INTERNAL_SERVER_ERROR"
        async with client.subscribe("stream") as events:
            assert await anext(events) == 1
            with pytest.raises(CallError, match="Internal server error"):
                await anext(events)


async def test_a_procedure_may_turn_the_timeout_into_an_answer_of_its_own() -> None:
    router = Router()

    @router.query(timeout=AT_ONCE)
    async def patient() -> str:
        try:
            await for_ever()
        except asyncio.CancelledError:
            raise RPCError("SERVICE_UNAVAILABLE", "try later") from None
        return "never"

    async with Client(router) as client:
        with pytest.raises(CallError, match="try later") as refused:
            await client.query("patient")
    assert refused.value.code == "SERVICE_UNAVAILABLE"


# ---------- streams


class Countdown:
    """An async iterator that is no generator."""

    def __init__(self, start: int) -> None:
        self.left = start
        self.closed = 0

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        if self.left == 0:
            raise StopAsyncIteration
        self.left -= 1
        return self.left


class ClosableCountdown(Countdown):
    async def aclose(self) -> None:
        self.closed += 1


class Numbers:
    """An async iterable that is no iterator."""

    def __aiter__(self) -> AsyncIterator[int]:
        return Countdown(2)


@pytest.mark.parametrize("make", [lambda: Countdown(2), lambda: ClosableCountdown(2), Numbers])
async def test_a_subscription_may_return_anything_that_can_be_iterated(
    make: Callable[[], AsyncIterable[int]],
) -> None:
    router = Router()

    @router.subscription
    async def count() -> AsyncIterable[int]:
        return make()

    async with Client(router) as client, client.subscribe("count") as events:
        assert [event async for event in events] == [1, 0]


async def test_an_iterator_that_can_be_closed_is_closed_at_its_end() -> None:
    countdown = ClosableCountdown(1)
    router = Router()

    @router.subscription
    async def count() -> AsyncIterator[int]:
        return countdown

    async with Peer(router) as peer:
        peer.call("subscription", "count")
        assert await peer.frames(3) == [started(), data(0), stopped()]
        assert countdown.closed == 1


async def test_a_subscription_that_returns_something_else_is_an_error_of_the_server() -> None:
    router = Router()

    @router.subscription
    async def count() -> AsyncIterator[int]:
        return cast("AsyncIterator[int]", [1, 2])

    async with Peer(router) as peer:
        peer.call("subscription", "count")
        _, code, message = error_of(await peer.frame())
        assert (code, message) == (
            "INTERNAL_SERVER_ERROR",
            "Subscription count did not return an observable or a AsyncGenerator",
        )
        assert await peer.all_frames() == []


@pytest.mark.parametrize("kind", ["query", "mutation"])
async def test_a_stream_is_not_an_answer_and_is_closed(kind: str) -> None:
    countdown = ClosableCountdown(2)
    router = Router()

    async def count() -> Any:
        return countdown

    (router.query if kind == "query" else router.mutation)(count)
    async with Peer(router) as peer:
        peer.call(kind, "count")  # type: ignore[arg-type]
        assert error_of(await peer.frame()) == (
            1,
            "UNSUPPORTED_MEDIA_TYPE",
            f"Cannot return an async iterable or observable from a {kind} procedure with WebSockets",
        )
    assert countdown.closed == 1


async def test_a_stream_that_fails_while_it_is_closed_ends_with_an_error() -> None:
    router = Router()

    @router.subscription
    async def count() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            raise ValueError("secret")

    async with Peer(router) as peer:
        peer.call("subscription", "count")
        assert await peer.frames(2) == [started(), data(1)]
        assert error_of(await peer.frame()) == (1, "INTERNAL_SERVER_ERROR", "Internal server error")
        assert await peer.frame() == stopped()
