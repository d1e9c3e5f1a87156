"""What a procedure takes: its parameters, the whole input, and where a client resumes."""

import inspect
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import UNSET, Meta, UnsetType

from tests.tidewire.peer import Peer, error_of
from tests.tidewire.procedures import Color, Image, Point, Settings, Size, Text, Tree, ask, declare, refusal
from tidewire import Context, Router, RPCError
from tidewire.testing import Client

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


async def test_a_property_that_is_undefined_counts_as_absent() -> None:
    router = Router()

    @router.query
    async def named(name: str, title: str = "none") -> str:
        return f"{name} {title}"

    procedure = router.procedures()["named"]
    assert procedure.input.bind({"name": "Ada", "title": UNSET}) == {"name": "Ada", "title": "none"}
    with pytest.raises(RPCError, match="missing required field `name`"):
        procedure.input.bind({"name": UNSET})


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
