"""Names, nesting, merging and middleware of routers."""

from collections.abc import Callable
from typing import Any

import pytest

from tidewire import CallInfo, DeclarationError, Middleware, Next, Router
from tidewire.testing import CallError, Client


async def one() -> int:
    return 1


async def two() -> int:
    return 2


def named(name: str) -> Callable[..., Any]:
    async def procedure() -> str:
        return name

    procedure.__name__ = procedure.__qualname__ = name
    return procedure


def tracing(trace: list[str], name: str) -> Middleware:
    async def middleware(call: CallInfo, next: Next) -> Any:
        trace.append(f"into {name}")
        try:
            return await next()
        finally:
            trace.append(f"out of {name}")

    return middleware


# ---------- names


@pytest.mark.parametrize(
    ("name", "on_the_wire"),
    [
        ("get", "get"),
        ("stream_message", "streamMessage"),
        ("list_all_v2", "listAllV2"),
        ("get_HTTP_status", "getHTTPStatus"),
        ("alreadyCamel", "alreadyCamel"),
        ("import_", "import"),
        ("_hidden", "hidden"),
        ("double__underscore", "doubleUnderscore"),
    ],
)
def test_a_functions_name_becomes_camel_case(name: str, on_the_wire: str) -> None:
    router = Router()
    router.query(named(name))
    assert list(router.procedures()) == [on_the_wire]


def test_a_name_given_on_purpose_is_taken_as_it_is() -> None:
    router = Router()
    router.query(name="snake_case")(one)
    assert list(router.procedures()) == ["snake_case"]


def test_a_router_is_named_by_its_keyword_in_camel_case() -> None:
    inner = Router()
    inner.query(one)
    assert list(Router(chat_rooms=Router(old_ones=inner)).procedures()) == ["chatRooms.oldOnes.one"]


def test_one_router_can_be_in_two_places() -> None:
    inner = Router()
    inner.query(one)
    assert list(Router(a=inner, b=inner).procedures()) == ["a.one", "b.one"]


async def test_a_declared_function_can_still_be_called_as_before() -> None:
    router = Router()
    assert router.query(one) is one
    assert router.mutation(name="other")(one) is one
    assert await one() == 1


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: twice(Router(), "get", "get"), "test_router.get: .* would be called get"),
        (lambda: twice(Router(), "get_it", "getIt"), "test_router.getIt: .* would be called getIt"),
        (lambda: twice(Router(get=Router()), "get"), "test_router.get: .* would be called get"),
        (lambda: Router(a_b=Router(), aB=Router()), "A router: .* would be called aB"),
        (lambda: twice(Router(), "then"), "test_router.then: .* cannot be called 'then'"),
        (lambda: twice(Router(), "call"), "test_router.call: .* cannot be called 'call'"),
        (lambda: twice(Router(), "apply"), "test_router.apply: .* cannot be called 'apply'"),
        (lambda: Router(then=Router()), "A router: .* cannot be called 'then'"),
        (lambda: Router().query(name="a.b")(one), r"test_router.one: .* cannot be called 'a\.b'"),
        (lambda: Router().query(name="1st")(one), "test_router.one: .* cannot be called '1st'"),
        (lambda: twice(Router(), "__"), "test_router.__: .* cannot be called ''"),
    ],
)
def test_a_name_that_cannot_be_is_refused_when_declared(build: Callable[[], object], text: str) -> None:
    with pytest.raises(DeclarationError, match=text):
        build()


def twice(router: Router, *names: str) -> None:
    for name in names:
        router.query(named(name))


# ---------- merging


def test_merging_takes_over_procedures_and_routers() -> None:
    inner, other, router = Router(), Router(), Router()
    inner.query(one)
    other.mutation(two)
    other.merge(Router(nested=inner))
    router.merge(other)
    assert list(router.procedures()) == ["two", "nested.one"]


def test_merging_refuses_a_name_that_is_taken() -> None:
    router, other = Router(), Router()
    router.query(one)
    other.mutation(one)
    with pytest.raises(DeclarationError, match=r"test_router\.one: .* would be called one"):
        router.merge(other)


def test_what_is_declared_after_merging_is_not_taken_over() -> None:
    router, other = Router(), Router()
    router.merge(other)
    other.query(one)
    assert list(router.procedures()) == []


async def test_what_is_declared_in_a_nested_router_later_is_found_until_it_is_served() -> None:
    inner = Router()
    router = Router(inner=inner)
    inner.query(one)
    async with Client(router) as client:
        inner.query(two)
        assert await client.query("inner.one") == 1
        with pytest.raises(CallError, match=r'No "query"-procedure on path "inner\.two"'):
            await client.query("inner.two")


# ---------- middleware


async def test_middleware_runs_from_the_outermost_router_to_the_procedure() -> None:
    trace: list[str] = []
    inner = Router(use=[tracing(trace, "inner 1"), tracing(trace, "inner 2")])
    inner.query(use=[tracing(trace, "own 1"), tracing(trace, "own 2")])(one)
    async with Client(Router(inner=inner, use=[tracing(trace, "outer")])) as client:
        await client.query("inner.one")

    order = ["outer", "inner 1", "inner 2", "own 1", "own 2"]
    assert trace == [f"into {name}" for name in order] + [f"out of {name}" for name in reversed(order)]


async def test_merged_procedures_keep_their_middleware_inside_that_of_the_new_router() -> None:
    trace: list[str] = []
    nested = Router(use=[tracing(trace, "nested")])
    nested.query(use=[tracing(trace, "own")])(one)
    merged = Router(use=[tracing(trace, "merged")], nested=nested)
    merged.query(two)
    router = Router(use=[tracing(trace, "outer")])
    router.merge(merged)

    async with Client(router) as client:
        await client.query("nested.one")
        assert trace[:4] == ["into outer", "into merged", "into nested", "into own"]
        trace.clear()
        await client.query("two")
        assert trace[:2] == ["into outer", "into merged"]


async def test_middleware_of_one_router_does_not_run_for_its_neighbour() -> None:
    trace: list[str] = []
    left, right = Router(use=[tracing(trace, "left")]), Router()
    left.query(one)
    right.query(one)
    async with Client(Router(left=left, right=right)) as client:
        await client.query("right.one")
    assert trace == []


# ---------- options


async def test_middleware_reads_the_meta_of_a_procedure() -> None:
    seen: list[Any] = []

    async def look(call: CallInfo, next: Next) -> Any:
        seen.append((call.kind, call.path, dict(call.meta)))
        return await next()

    router = Router(use=[look])
    router.query(meta={"role": "admin"})(one)
    router.mutation(two)
    async with Client(router) as client:
        await client.query("one")
        await client.mutate("two")
    assert seen == [("query", "one", {"role": "admin"}), ("mutation", "two", {})]


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_timeout_must_be_a_positive_number_of_seconds(seconds: float) -> None:
    with pytest.raises(DeclarationError, match=r"test_router\.one: timeout must be a positive number"):
        Router().query(timeout=seconds)(one)


async def test_a_path_of_another_kind_is_not_found() -> None:
    router = Router()
    router.query(one)
    async with Client(router) as client:
        with pytest.raises(CallError, match='No "mutation"-procedure on path "one"') as refused:
            await client.mutate("one")
    assert refused.value.code == "NOT_FOUND"
