"""What a procedure takes and gives: declarations, inputs and outputs."""

import functools
import inspect
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any, Literal, cast

import msgspec
import pytest
from msgspec import UNSET, Meta, UnsetType

from tests.tidewire.peer import Peer, data, error_of
from tidewire import CallInfo, Context, DeclarationError, Router, RPCError, Tracked, tracked
from tidewire.calls import answer
from tidewire.testing import CallError, Client
from tidewire_protocol import CallKind


class Settings(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    temperature: float = 1.0
    model_name: str = "tide"


class Text(msgspec.Struct, tag="text"):
    text: str


class Image(msgspec.Struct, tag="image"):
    url: str


class Point(msgspec.Struct, frozen=True):
    x: int
    y: int = 0


@dataclass
class Size:
    width: int


class Color(Enum):
    RED = "red"


class Tree(msgspec.Struct):
    leaves: "list[Tree]" = []


class Foreign:
    """A class that msgspec does not know."""


class HoldsForeign(msgspec.Struct):
    parts: list[Foreign]


def declare(kind: CallKind, function: Callable[..., Any]) -> Router:
    router = Router()
    {"query": router.query, "mutation": router.mutation, "subscription": router.subscription}[kind](function)
    return router


async def ask(router: Router, path: str, input: Any = ...) -> Any:
    async with Client(router) as client:
        return await client.query(path, input)


async def refusal(router: Router, path: str, input: Any = ...) -> tuple[str, str]:
    with pytest.raises(CallError) as refused:
        await ask(router, path, input)
    return refused.value.code, str(refused.value)


# ---------- declarations


async def no_return(value: int): ...  # type: ignore[no-untyped-def]


async def no_type(value) -> None: ...  # type: ignore[no-untyped-def]


async def star(*values: int) -> None: ...


async def stars(**values: int) -> None: ...


async def positional(value: int, /) -> None: ...


async def late_context(value: int, ctx: Context) -> None: ...


async def cursor(last_event_id: str) -> None: ...


async def unresolved(value: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821


async def no_attribute(value: "msgspec.Nowhere") -> None: ...  # type: ignore[name-defined]


async def syntax(value: "int |") -> None: ...  # type: ignore[valid-type]  # noqa: F722


async def foreign(value: Foreign) -> None: ...


async def foreign_inside(value: dict[str, HoldsForeign]) -> None: ...


async def foreign_input(input: Foreign) -> None: ...


async def foreign_output() -> list[Foreign]:
    return []


async def ambiguous(value: Point | Settings) -> None: ...


async def same_name(foo_bar: int, fooBar: int) -> None: ...  # noqa: N803


async def untyped_generator():  # type: ignore[no-untyped-def]
    yield 1


def sync_generator() -> Iterator[int]:
    yield 1


async def not_a_stream() -> list[int]:
    return []


async def untyped_stream() -> AsyncIterator:  # type: ignore[type-arg]
    yield 1


def sync_stream() -> Any:
    yield 1


sync_stream.__annotations__["return"] = AsyncIterator[int]


async def foreign_event() -> AsyncIterator[int | Tracked[Foreign]]:
    yield 1


@pytest.mark.parametrize(
    ("kind", "function", "text"),
    [
        ("query", no_return, "annotate what it returns"),
        ("query", no_type, "annotate the parameter value"),
        ("query", star, "the parameter values cannot be `*`"),
        ("query", stars, "the parameter values cannot be `*`"),
        ("query", positional, "the parameter value cannot be positional-only"),
        ("query", late_context, "the parameter ctx must come first"),
        ("query", cursor, "only a subscription can take last_event_id"),
        ("mutation", cursor, "only a subscription can take last_event_id"),
        ("query", unresolved, "an annotation cannot be resolved: name 'Nowhere' is not defined"),
        ("query", no_attribute, "an annotation cannot be resolved: module 'msgspec' has no attribute"),
        ("query", syntax, "an annotation cannot be resolved: "),
        ("query", foreign, "the parameter value is not a type that msgspec can check"),
        ("query", foreign_inside, "the parameter value is not a type that msgspec can check"),
        ("query", foreign_input, "the parameter input is not a type that msgspec can check"),
        ("query", foreign_output, "the return type is not a type that msgspec can check"),
        ("query", ambiguous, "the parameter value is not a type that msgspec can check"),
        ("query", same_name, "the parameters foo_bar, fooBar are not a valid input"),
        ("query", sync_generator, "a query that yields must be async"),
        ("mutation", untyped_generator, "annotate what it returns"),
        ("subscription", not_a_stream, "a subscription must be annotated to return AsyncIterator[...]"),
        ("subscription", untyped_stream, "a subscription must be annotated to return AsyncIterator[...]"),
        ("subscription", sync_stream, "a subscription that yields must be async"),
        ("subscription", foreign_event, "the type of events is not a type that msgspec can check"),
    ],
)
def test_a_wrong_declaration_names_the_function_and_what_is_wrong(
    kind: CallKind, function: Callable[..., Any], text: str
) -> None:
    with pytest.raises(DeclarationError) as refused:
        declare(kind, function)
    assert str(refused.value).startswith(f"{__name__}.{function.__name__}: {text}")


async def add(left: int, right: int) -> int:
    return left + right


class Adder:
    async def __call__(self) -> int:
        return 1

    async def add(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (functools.partial(add, 1), "functools.partial"),
        (Adder(), "Adder object"),
        (Adder().add, "Adder.add"),
        (Adder, "Adder"),
        (len, "builtins.len"),
    ],
)
def test_only_a_function_can_be_a_procedure(function: Callable[..., Any], name: str) -> None:
    with pytest.raises(DeclarationError, match="only a function can be a procedure") as refused:
        declare("query", function)
    assert name in str(refused.value)


def test_the_description_of_a_procedure_is_its_docstring() -> None:
    async def documented() -> int:
        """One sentence.

        And more.
        """
        return 1

    async def plain() -> int:
        return 1

    procedures = {**declare("query", documented).procedures(), **declare("query", plain).procedures()}
    assert procedures["documented"].description == "One sentence.\n\nAnd more."
    assert procedures["plain"].description is None


# ---------- inputs


def taking(annotation: Any, default: Any = inspect.Parameter.empty) -> Router:
    """A query `show` with one parameter `value`, which gives its repr."""

    async def show(value: Any) -> str:
        return repr(value)

    show.__annotations__["value"] = annotation
    if default is not inspect.Parameter.empty:
        show.__defaults__ = (default,)
    return declare("query", show)


@pytest.mark.parametrize(
    ("annotation", "sent", "got"),
    [
        (int, 3, 3),
        (float, 3, 3.0),
        (str, "tide", "tide"),
        (bool, True, True),
        (Any, {"any": [1, None]}, {"any": [1, None]}),
        (int | None, None, None),
        (Point, {"x": 1}, Point(1)),
        (Size, {"width": 2}, Size(2)),
        (list[Point], [{"x": 1, "y": 2}], [Point(1, 2)]),
        (Text | Image, {"type": "image", "url": "u"}, Image("u")),
        (Literal["a", "b"], "b", "b"),
        (Color, "red", Color.RED),
        (tuple[int, str], [1, "a"], (1, "a")),
        (dict[str, float], {"a": 1}, {"a": 1.0}),
        (dict[int, str], {"7": "seven"}, {7: "seven"}),
        (datetime, "2024-02-29T12:00:00Z", datetime(2024, 2, 29, 12, tzinfo=UTC)),
        (Annotated[int, Meta(ge=0, le=9)], 9, 9),
        (Annotated[str, Meta(pattern="^[a-z]+$")], "abc", "abc"),
    ],
)
async def test_an_input_becomes_what_the_parameter_is_annotated_with(
    annotation: Any, sent: Any, got: Any
) -> None:
    assert await ask(taking(annotation), "show", {"value": sent}) == repr(got)


@pytest.mark.parametrize(
    ("annotation", "sent", "message"),
    [
        (int, "3", "Expected `int`, got `str` - at `input.value`"),
        (int, 1.5, "Expected `int`, got `float` - at `input.value`"),
        (str, None, "Expected `str`, got `null` - at `input.value`"),
        (list[Point], [{"x": 1}, {}], "Object missing required field `x` - at `input.value[1]`"),
        (Settings, {"temperature": "hot"}, "Expected `float`, got `str` - at `input.value.temperature`"),
        (Settings, {"modelName": 1}, "Expected `str`, got `int` - at `input.value.modelName`"),
        (Settings, {"top": 1}, "Object contains unknown field `top` - at `input.value`"),
        (dict[str, Point], {"a": {"x": ""}}, "Expected `int`, got `str` - at `input.value[...].x`"),
        (Text | Image, {"type": "video"}, "Invalid value 'video' - at `input.value.type`"),
        (Literal["a"], "b", "Invalid enum value 'b' - at `input.value`"),
        (datetime, "yesterday", "Invalid RFC3339 encoded datetime - at `input.value`"),
        (Annotated[int, Meta(le=9)], 10, "Expected `int` <= 9 - at `input.value`"),
    ],
)
async def test_a_bad_input_is_refused_with_the_path_of_the_bad_field(
    annotation: Any, sent: Any, message: str
) -> None:
    assert await refusal(taking(annotation), "show", {"value": sent}) == ("BAD_REQUEST", message)


async def send_message(conversation_id: str, config: Settings | None = None) -> str:
    return f"{conversation_id} {config and config.temperature}"


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (
            {"conversationId": "c", "config": {"temperature": "hot"}},
            "Expected `float`, got `str` - at `input.config.temperature`",
        ),
        ({"conversation_id": "c"}, "Object missing required field `conversationId`"),
        (..., "Object missing required field `conversationId`"),
        (None, "Expected `object`, got `null`"),
        ("c", "Expected `object`, got `str`"),
        (["c"], "Expected `object`, got `array`"),
    ],
)
async def test_parameters_are_the_fields_of_the_input_in_camel_case(sent: Any, message: str) -> None:
    router = declare("query", send_message)
    assert await ask(router, "sendMessage", {"conversationId": "c", "config": {}}) == "c 1.0"
    assert await refusal(router, "sendMessage", sent) == ("BAD_REQUEST", message)


async def test_unknown_fields_beside_the_parameters_are_ignored() -> None:
    router = declare("query", send_message)
    assert await ask(router, "sendMessage", {"conversationId": "c", "utm": "x", "config": None}) == "c None"


async def test_a_procedure_without_parameters_ignores_what_is_sent() -> None:
    async def ping() -> str:
        return "pong"

    router = declare("query", ping)
    assert [await ask(router, "ping", sent) for sent in (..., None, {"a": 1}, "text")] == ["pong"] * 4


async def test_an_input_nested_too_deeply_for_python_is_refused() -> None:
    depth = 2000
    nested = '{"leaves":[' * depth + "]}" * depth
    async with Peer(taking(Tree)) as peer:
        peer.send('{"id":1,"method":"query","params":{"path":"show","input":{"value":' + nested + "}}}")
        assert error_of(await peer.frame()) == (1, "BAD_REQUEST", "Input is nested too deeply")


# ---------- defaults


@pytest.mark.parametrize("default", [None, 5, "text", (1, 2), UNSET, Point(1), Color.RED])
async def test_a_parameter_that_is_not_sent_has_its_default(default: Any) -> None:
    assert await ask(taking(Any, default), "show", {}) == repr(default)
    assert await ask(taking(Any, default), "show") == repr(default)
    assert await ask(taking(Any, default), "show", {"value": 1}) == "1"


class Bag(msgspec.Struct):
    items: list[int] = []


@pytest.mark.parametrize("parameter", ["value", "input"])
@pytest.mark.parametrize(
    ("default", "change"),
    [
        ([], lambda value: value.append(1)),
        ([[1]], lambda value: value[0].append(1)),
        ({}, lambda value: value.update(a=1)),
        (set(), lambda value: value.add(1)),
        (bytearray(), lambda value: value.append(1)),
        (Bag(), lambda value: value.items.append(1)),
        (Size(0), lambda value: setattr(value, "width", value.width + 1)),
    ],
)
async def test_a_default_that_a_call_changes_is_new_for_the_next(
    default: Any, change: Callable[[Any], None], parameter: str
) -> None:
    async def by_field(value: Any = default) -> str:
        change(value)
        return repr(value)

    async def as_a_whole(input: Any = default) -> str:
        change(input)
        return repr(input)

    router = Router()
    router.query(name="show")(by_field if parameter == "value" else as_a_whole)
    async with Client(router) as client:
        first, second = await client.query("show"), await client.query("show")
    assert first == second != repr(default)


async def test_absent_and_null_are_told_apart_by_unset() -> None:
    router = taking(str | None | UnsetType, UNSET)
    assert await ask(router, "show", {}) == "UNSET"
    assert await ask(router, "show", {"value": None}) == "None"


# ---------- the whole input


async def test_a_single_parameter_called_input_takes_the_input_as_it_is() -> None:
    async def double(input: int) -> int:
        return 2 * input

    router = declare("query", double)
    assert await ask(router, "double", 4) == 8
    assert await refusal(router, "double", "4") == ("BAD_REQUEST", "Expected `int`, got `str`")
    assert await refusal(router, "double", {"input": 4}) == ("BAD_REQUEST", "Expected `int`, got `object`")
    assert await refusal(router, "double") == ("BAD_REQUEST", "Input is required")


async def test_the_whole_input_can_have_a_default() -> None:
    async def double(input: int = 21) -> int:
        return 2 * input

    assert await ask(declare("query", double), "double") == 42
    assert await refusal(declare("query", double), "double", None) == (
        "BAD_REQUEST",
        "Expected `int`, got `null`",
    )


async def test_input_beside_other_parameters_is_a_field_like_any_other() -> None:
    async def scale(input: int, factor: int) -> int:
        return input * factor

    assert await ask(declare("query", scale), "scale", {"input": 3, "factor": 2}) == 6


async def test_the_path_of_a_field_of_the_whole_input_begins_with_input() -> None:
    async def configure(ctx: Context, input: Settings) -> None: ...

    assert await refusal(declare("query", configure), "configure", {"temperature": []}) == (
        "BAD_REQUEST",
        "Expected `float`, got `array` - at `input.temperature`",
    )


# ---------- ctx and last_event_id


async def test_ctx_is_the_context_and_not_part_of_the_input() -> None:
    async def who(ctx: Context, greeting: str = "hello") -> str:
        return f"{greeting} {ctx.connection.headers['user']}"

    async with Client(declare("query", who), headers={"user": "ann"}) as client:
        assert await client.query("who") == "hello ann"
        assert await client.query("who", {"ctx": "mallory", "greeting": "hi"}) == "hi ann"


async def resumable(*, last_event_id: str | None = None) -> AsyncIterator[str]:
    yield repr(last_event_id)


async def by_field(value: int = 0, *, last_event_id: str | None = None) -> AsyncIterator[str]:
    yield f"{value} {last_event_id}"


async def strict(input: Settings, *, last_event_id: str | None = None) -> AsyncIterator[str]:
    yield f"{input.temperature} {last_event_id}"


async def strict_without(input: Settings) -> AsyncIterator[str]:
    yield str(input.temperature)


async def optional(input: Settings | None = None, *, last_event_id: str | None = None) -> AsyncIterator[str]:
    yield f"{input and input.temperature} {last_event_id}"


async def text(input: str = "default", *, last_event_id: str | None = None) -> AsyncIterator[str]:
    yield f"{input} {last_event_id}"


async def counts(input: dict[str, int], *, last_event_id: str | None = None) -> AsyncIterator[str]:
    yield f"{input} {last_event_id}"


class Resume(msgspec.Struct, rename="camel"):
    last_event_id: str | None = None


async def merged(input: Resume) -> AsyncIterator[str]:
    yield repr(input.last_event_id)


async def anything(input: Any = None) -> AsyncIterator[str]:
    yield repr(input)


@pytest.mark.parametrize(
    ("function", "sent", "first", "resumed"),
    [
        (resumable, ..., "None", "'7'"),
        (by_field, {"value": 3}, "3 None", "3 7"),
        (by_field, ..., "0 None", "0 7"),
        (strict, {"temperature": 2.0}, "2.0 None", "2.0 7"),
        (strict, {}, "1.0 None", "1.0 7"),
        (strict_without, {"temperature": 2.0}, "2.0", "2.0"),
        (optional, ..., "None None", "None 7"),
        (optional, {"temperature": 2.0}, "2.0 None", "2.0 7"),
        (text, ..., "default None", "default 7"),
        (text, "sent", "sent None", "sent 7"),
        (counts, {"a": 1}, "{'a': 1} None", "{'a': 1} 7"),
        (merged, {}, "None", "'7'"),
        (anything, {"a": 1}, "{'a': 1}", "{'a': 1, 'lastEventId': '7'}"),
    ],
)
async def test_a_client_that_resumes_gets_the_same_input_and_the_last_event_id(
    function: Callable[..., Any], sent: Any, first: str, resumed: str
) -> None:
    router = Router()
    router.subscription(name="watch")(function)
    async with Client(router) as client:
        for last_event_id, expected in ((None, first), ("7", resumed)):
            async with client.subscribe("watch", sent, last_event_id=last_event_id) as events:
                assert await anext(events) == expected


# ---------- outputs


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


# ---------- what else can be declared


async def test_a_type_that_holds_itself_can_be_declared() -> None:
    async def mirror(input: Tree) -> Tree:
        return input

    assert await ask(declare("query", mirror), "mirror", {"leaves": [{}]}) == {"leaves": [{"leaves": []}]}


def plain_decorator(function: Callable[..., Awaitable[int]]) -> Callable[..., Awaitable[int]]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Awaitable[int]:
        return function(*args, **kwargs)

    return wrapper


async def test_a_decorated_function_has_the_parameters_of_the_one_inside() -> None:
    assert await ask(declare("query", plain_decorator(add)), "add", {"left": 1, "right": 2}) == 3


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


async def test_a_property_that_is_undefined_counts_as_absent() -> None:
    router = Router()

    @router.query
    async def named(name: str, title: str = "none") -> str:
        return f"{name} {title}"

    procedure = router.procedures()["named"]
    assert procedure.input.bind({"name": "Ada", "title": UNSET}) == {"name": "Ada", "title": "none"}
    with pytest.raises(RPCError, match="missing required field `name`"):
        procedure.input.bind({"name": UNSET})
