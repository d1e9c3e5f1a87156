"""What a procedure gives: its result, or the events of a stream."""

import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, cast

import msgspec
import pytest
from msgspec import UNSET, Meta, UnsetType

from tests.tidewire.peer import Peer, data
from tests.tidewire.procedures import Color, Image, Point, Settings, Size, Text, ask, declare, refusal
from tidewire import CallInfo, Router, RPCError, Tracked, tracked
from tidewire.calls import answer
from tidewire.testing import CallError, Client


def giving(annotation: Any, value: Any) -> Router:
    """A query `give` that is annotated to return one thing, and returns `value`."""

    async def give() -> Any:
        return value

    give.__annotations__["return"] = annotation
    return declare("query", give)


def yielding(annotation: Any, *values: Any) -> Router:
    """A subscription `give` with events of one annotation, that yields `values`."""

    async def give() -> AsyncIterator[Any]:
        for value in values:
            yield value

    give.__annotations__["return"] = AsyncIterator[annotation]
    return declare("subscription", give)


@pytest.mark.parametrize(
    ("annotation", "value", "sent"),
    [
        (int, 3, 3),
        (float, 3, 3),
        (type(None), None, None),
        (int | None, None, None),
        (Any, {"any": Point(1)}, {"any": {"x": 1, "y": 0}}),
        (object, [1, "a"], [1, "a"]),
        (Settings, Settings(2.0), {"temperature": 2.0, "modelName": "tide"}),
        (Settings, {"modelName": "wave"}, {"temperature": 1.0, "modelName": "wave"}),
        (Point, {"x": 1, "secret": "not declared"}, {"x": 1, "y": 0}),
        (list[Point], [{"x": 1, "secret": 1}, Point(2)], [{"x": 1, "y": 0}, {"x": 2, "y": 0}]),
        (Text | Image, Image("u"), {"type": "image", "url": "u"}),
        (Size, Size(1), {"width": 1}),
        (Color, Color.RED, "red"),
        (dict[int, str], {7: "seven"}, {"7": "seven"}),
        (set[int], {1}, [1]),
        (tuple[int, str], (1, "a"), [1, "a"]),
        (bytes, b"tide", "dGlkZQ=="),
        (datetime, datetime(2024, 2, 29, tzinfo=UTC), "2024-02-29T00:00:00.000Z"),
        (float, math.nan, None),
        (float, math.inf, None),
        (list[float], [1.5, -math.inf], [1.5, None]),
    ],
)
async def test_an_output_is_sent_as_what_was_declared(annotation: Any, value: Any, sent: Any) -> None:
    assert await ask(giving(annotation, value), "give") == sent


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, "3"),
        (int, None),
        (type(None), 0),
        (Point, {"y": 1}),
        (Point, Point(cast("int", "one"))),
        (Point, Text("other")),
        (list[Point], [Point(1), Point(cast("int", None))]),
        (Settings, {"model_name": "wave"}),
        (Literal["a"], "b"),
        (Annotated[int, Meta(le=9)], 10),
        (int, UNSET),
        (Point, tracked("1", Point(1))),
        (int, object()),
        (Any, object()),
        (Any, datetime(2024, 2, 29)),
        (datetime, datetime(2024, 2, 29)),
        (Any, 1j),
    ],
)
async def test_an_output_that_was_not_declared_is_an_error_of_the_server(annotation: Any, value: Any) -> None:
    code, _ = await refusal(giving(annotation, value), "give")
    assert code == "INTERNAL_SERVER_ERROR"


async def test_an_output_that_contains_itself_is_an_error_of_the_server() -> None:
    circle: list[Any] = []
    circle.append(circle)
    for annotation in (Any, list[Any]):
        code, _ = await refusal(giving(annotation, circle), "give")
        assert code == "INTERNAL_SERVER_ERROR"


async def test_the_log_says_what_was_wrong_with_an_output(caplog: pytest.LogCaptureFixture) -> None:
    _, message = await refusal(giving(list[Point], [{"x": "one"}]), "give")
    assert message == "Output validation failed"
    assert "query give failed: INTERNAL_SERVER_ERROR: Output validation failed" in caplog.text
    assert "Expected `int`, got `str` - at `$[0].x`" in caplog.text


@pytest.mark.parametrize("annotation", [UnsetType, str | UnsetType, Any])
async def test_unset_is_sent_as_undefined_which_is_no_data_at_all(annotation: Any) -> None:
    async with Peer(giving(annotation, UNSET)) as peer:
        peer.call("query", "give")
        assert await peer.frame() == {"id": 1, "result": {"type": "data"}}


async def test_none_is_sent_as_null() -> None:
    async with Peer(giving(type(None), None)) as peer:
        peer.call("query", "give")
        assert await peer.frame() == data(None)


async def test_the_unset_fields_of_an_output_are_left_out() -> None:
    class Partial(msgspec.Struct):
        here: int
        absent: int | UnsetType = UNSET

    assert await ask(giving(Partial, Partial(1)), "give") == {"here": 1}


@pytest.mark.parametrize(
    ("annotation", "events", "sent"),
    [
        (int, [1, 2], [1, 2]),
        (None, [None], [None]),
        (Point, [{"x": 1, "secret": 1}, Point(2)], [{"x": 1, "y": 0}, {"x": 2, "y": 0}]),
        (
            Text | Image,
            [Text("a"), Image("u")],
            [{"type": "text", "text": "a"}, {"type": "image", "url": "u"}],
        ),
        (Tracked[int], [tracked("a", 1)], [Tracked("a", 1)]),
        (
            Tracked[int] | Tracked[str],
            [tracked("a", 1), tracked("b", "x")],
            [Tracked("a", 1), Tracked("b", "x")],
        ),
        (Tracked[Point] | str, [tracked("a", Point(1)), "x"], [Tracked("a", {"x": 1, "y": 0}), "x"]),
        (Tracked[int] | None, [None, tracked("a", 1)], [None, Tracked("a", 1)]),
        (Tracked, [tracked("a", [1])], [Tracked("a", [1])]),
        (Any, [1, tracked("a", "x")], [1, Tracked("a", "x")]),
        (object, [1, tracked("a", "x")], [1, Tracked("a", "x")]),
    ],
)
async def test_events_are_sent_as_what_was_declared(
    annotation: Any, events: list[Any], sent: list[Any]
) -> None:
    async with Client(yielding(annotation, *events)) as client, client.subscribe("give") as stream:
        assert [event async for event in stream] == sent


@pytest.mark.parametrize(
    ("annotation", "wrong"),
    [
        (int, "x"),
        (int, tracked("a", 1)),
        (Tracked[int], 1),
        (Tracked[int], tracked("a", "x")),
        (Tracked[int] | str, tracked("a", "x")),
        (Tracked[int] | str, 1),
        (Tracked[int] | Tracked[str], 1),
    ],
)
async def test_an_event_that_was_not_declared_ends_the_stream_with_an_error(
    annotation: Any, wrong: Any
) -> None:
    router = yielding(Any, wrong)
    right = yielding(annotation, wrong)
    async with Client(router) as client, client.subscribe("give") as stream:
        assert len([event async for event in stream]) == 1
    async with Client(right) as client, client.subscribe("give") as stream:
        with pytest.raises(CallError, match="Output validation failed"):
            await anext(stream)


async def test_the_generator_of_a_wrong_event_is_closed() -> None:
    closed: list[bool] = []

    async def give() -> AsyncIterator[int]:
        try:
            yield cast("int", "wrong")
        finally:
            closed.append(True)

    async with Client(declare("subscription", give)) as client, client.subscribe("give") as stream:
        with pytest.raises(CallError):
            await anext(stream)
        assert closed == [True]


async def test_a_query_may_give_a_stream_of_checked_pieces() -> None:
    router = Router()

    @router.query
    async def pieces() -> AsyncIterator[int]:
        yield 1
        yield "two"  # type: ignore[misc]

    procedure = router.procedures()["pieces"]
    call = CallInfo(kind="query", path="pieces", context=None, raw_input=UNSET, last_event_id=None, meta={})
    stream = await answer(procedure, call)
    assert await anext(stream) == 1
    with pytest.raises(RPCError, match="Output validation failed"):
        await anext(stream)
