"""Slips of a newcomer: each is told when the router is built, or in the log, by what to do about it."""

import typing
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tidewire import Context, DeclarationError, Router, Tracked, tracked
from tidewire.testing import CallError, Client


class AppContext(Context):
    pass


async def bare() -> typing.AsyncIterator:  # type: ignore[type-arg]  # the slip
    yield 1


async def numbered(last_event_id: int | None = None) -> AsyncIterator[int]:
    yield 1


async def never_none(last_event_id: str = "") -> AsyncIterator[int]:
    yield 1


async def long_name(context: AppContext, number: int) -> int:
    return number


async def tracked_answer() -> Tracked[int]:
    return tracked("1", 1)


async def perhaps_tracked() -> Tracked[int] | None:
    return None


@pytest.mark.parametrize(
    ("kind", "function", "message"),
    [
        ("subscription", bare, "a subscription must be annotated to return AsyncIterator[...]"),
        ("query", bare, "a query that yields must be annotated to return AsyncIterator[...]"),
        ("subscription", numbered, "annotate last_event_id as `str | None`"),
        ("subscription", never_none, "annotate last_event_id as `str | None`"),
        ("query", long_name, "the parameter context is a context: it must be called ctx, and come first"),
        ("query", tracked_answer, "only the events of a subscription can be Tracked"),
        ("mutation", perhaps_tracked, "only the events of a subscription can be Tracked"),
    ],
)
def test_a_slip_in_a_signature_is_told_when_it_is_declared(
    kind: str, function: Callable[..., Any], message: str
) -> None:
    with pytest.raises(DeclarationError) as refused:
        getattr(Router(), kind)(function)
    assert str(refused.value) == f"{function.__module__}.{function.__qualname__}: {message}"


@pytest.mark.parametrize("annotation", [str | None, Any, typing.Annotated[str | None, 1]])
def test_the_id_to_resume_after_may_be_annotated_as_what_it_is(annotation: Any) -> None:
    async def count(*, last_event_id: Any = None) -> AsyncIterator[int]:
        yield 1

    count.__annotations__["last_event_id"] = annotation
    Router().subscription(count)


@pytest.mark.parametrize("member", [long_name, {"get": long_name}, Router])
def test_what_is_no_router_is_not_taken_for_one(member: Any) -> None:
    with pytest.raises(DeclarationError, match=r"^conversations must be a Router, not "):
        Router(conversations=member)


async def an_id_too_many() -> AsyncIterator[int]:
    yield typing.cast("int", tracked("1", 1))


async def no_id() -> AsyncIterator[Tracked[int]]:
    yield typing.cast("Tracked[int]", 1)


@pytest.mark.parametrize("function", [an_id_too_many, no_id])
async def test_the_log_says_how_events_with_an_id_are_annotated(
    function: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    router = Router()
    router.subscription(name="count")(function)
    async with Client(router) as client, client.subscribe("count") as events:
        with pytest.raises(CallError, match="Output validation failed"):
            await anext(events)
    (record,) = caplog.records
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == (
        "An event with an id must be annotated as Tracked[...], and one without an id must not"
    )
