"""Code around procedures: it may refuse, answer itself, change the context and wrap streams."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.tidewire.peer import OUTBOX_BYTES, Peer, data, started, stopped
from tidewire import CallInfo, ConnectionInfo, Next, Router, RPCError
from tidewire.testing import CallError, Client


class User(msgspec.Struct, frozen=True):
    name: str


def anonymous(connection: ConnectionInfo) -> User:
    return User("nobody")


async def log_in(call: CallInfo, next: Next) -> Any:
    return await next(User("ann"))


async def whoami(ctx: User) -> str:
    return ctx.name


async def test_middleware_replaces_the_context_for_what_is_inside() -> None:
    seen: list[User] = []

    async def look(call: CallInfo, next: Next) -> Any:
        seen.append(call.context)
        return await next()

    router = Router(use=[look, log_in, look])
    router.query(whoami)
    async with Client(router, context=anonymous) as client:
        assert await client.query("whoami") == "ann"
    assert seen == [User("nobody"), User("ann")]


async def test_a_replaced_context_is_that_of_one_call_only() -> None:
    router = Router()
    router.query(name="inside", use=[log_in])(whoami)
    router.query(name="outside")(whoami)
    async with Client(router, context=anonymous) as client:
        assert await client.query("inside") == "ann"
        assert await client.query("outside") == "nobody"


async def test_none_is_a_context_like_any_other() -> None:
    async def log_out(call: CallInfo, next: Next) -> Any:
        return await next(None)

    router = Router(use=[log_out])

    @router.query
    async def whoami(ctx: User | None) -> bool:
        return ctx is None

    async with Client(router, context=anonymous) as client:
        assert await client.query("whoami") is True


async def test_middleware_that_refuses_keeps_the_procedure_from_running() -> None:
    ran: list[str] = []

    async def forbid(call: CallInfo, next: Next) -> Any:
        raise RPCError("FORBIDDEN", "members only")

    router = Router(use=[forbid])

    @router.mutation
    async def join() -> None:
        ran.append("join")

    async with Client(router) as client:
        with pytest.raises(CallError, match="members only") as refused:
            await client.mutate("join")
    assert refused.value.code == "FORBIDDEN"
    assert ran == []


async def test_middleware_sees_the_input_before_it_is_validated() -> None:
    seen: list[Any] = []

    async def look(call: CallInfo, next: Next) -> Any:
        seen.append(call.raw_input)
        return await next()

    router = Router(use=[look])

    @router.query
    async def double(input: int) -> int:
        return 2 * input

    async with Client(router) as client:
        with pytest.raises(CallError, match="Expected `int`"):
            await client.query("double", "4")
        with pytest.raises(CallError, match="Input is required"):
            await client.query("double")
    assert seen == ["4", msgspec.UNSET]


async def test_middleware_may_answer_without_the_procedure_but_not_with_another_type() -> None:
    answers: list[Any] = [7, "seven"]

    async def cached(call: CallInfo, next: Next) -> Any:
        return answers.pop(0)

    router = Router(use=[cached])

    @router.query
    async def number() -> int:
        return 0

    async with Client(router) as client:
        assert await client.query("number") == 7
        with pytest.raises(CallError, match="Output validation failed"):
            await client.query("number")


async def test_middleware_sees_what_the_procedure_gives_and_may_change_it() -> None:
    async def double(call: CallInfo, next: Next) -> Any:
        return 2 * await next()

    router = Router(use=[double, double])

    @router.query
    async def number() -> int:
        return 5

    async with Client(router) as client:
        assert await client.query("number") == 20


async def test_middleware_sees_what_the_procedure_raises_and_may_try_again() -> None:
    attempts: list[int] = []

    async def retry(call: CallInfo, next: Next) -> Any:
        try:
            return await next()
        except ConnectionError:
            return await next()

    router = Router(use=[retry])

    @router.query
    async def flaky() -> int:
        attempts.append(1)
        if len(attempts) == 1:
            raise ConnectionError
        return len(attempts)

    async with Client(router) as client:
        assert await client.query("flaky") == 2


async def test_middleware_that_forgets_to_return_is_an_error_of_the_server() -> None:
    async def forgetful(call: CallInfo, next: Next) -> Any:
        await next()

    router = Router(use=[forgetful])

    @router.query
    async def number() -> int:
        return 5

    async with Client(router) as client:
        with pytest.raises(CallError, match="Output validation failed"):
            await client.query("number")


# ---------- streams


async def doubled(events: AsyncIterator[int]) -> AsyncIterator[int]:
    async for event in events:
        yield 2 * event


async def double_events(call: CallInfo, next: Next) -> Any:
    return doubled(await next())


async def test_middleware_may_wrap_the_stream_of_a_subscription() -> None:
    router = Router(use=[double_events, double_events])

    @router.subscription
    async def count() -> AsyncIterator[int]:
        yield 1
        yield 2

    async with Client(router) as client, client.subscribe("count") as events:
        assert [event async for event in events] == [4, 8]


async def test_a_wrapped_stream_is_closed_before_the_client_hears_that_it_stopped() -> None:
    held = asyncio.Event()
    trace: list[str] = []

    async def wrapped(events: AsyncIterator[str]) -> AsyncIterator[str]:
        async for event in events:
            yield event

    async def wrap(call: CallInfo, next: Next) -> Any:
        return wrapped(await next())

    router = Router(use=[wrap, wrap])

    @router.subscription
    async def flood() -> AsyncIterator[str]:
        try:
            yield "x" * OUTBOX_BYTES
            held.set()
            yield "held back until the client reads"
        finally:
            await asyncio.sleep(0)
            trace.append("closed")

    async with Peer(router, reads=False) as peer:
        peer.call("subscription", "flood")
        await held.wait()
        peer.stop()
        peer.read()
        assert await peer.frames(3) == [started(), data("x" * OUTBOX_BYTES), stopped()]
        assert trace == ["closed"]


async def test_middleware_may_give_a_stream_of_its_own() -> None:
    async def replay(call: CallInfo, next: Next) -> Any:
        return numbers()

    async def numbers() -> AsyncIterator[int]:
        yield 5

    router = Router(use=[replay])

    @router.subscription
    async def count() -> AsyncIterator[int]:
        yield 1

    async with Client(router) as client, client.subscribe("count") as events:
        assert [event async for event in events] == [5]
