"""From a typed function to what a model is told, and what is refused."""

import enum
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec
import pytest

from tidewire.chat.tools import BUILTIN_TOOLS, Tool, ToolContext, ToolDefinitionError, tool


class Unit(enum.Enum):
    CELSIUS = "celsius"
    KELVIN = "kelvin"


class Point(msgspec.Struct, frozen=True):
    """A place on the map."""

    title: str
    x: float = 0.0


class Area(msgspec.Struct, frozen=True):
    corners: list[Point]


def schema_of(annotation: Any) -> dict[str, Any]:
    def probe(value: Any) -> None:
        """Take one value."""

    probe.__annotations__["value"] = annotation
    return tool(probe).parameters


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (None, {"type": "null"}),
        (Any, {}),
        (Annotated[datetime, msgspec.Meta(tz=True)], {"type": "string", "format": "date-time"}),
        (date, {"type": "string", "format": "date"}),
        (str | None, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Literal["a", "b"], {"enum": ["a", "b"]}),
        (
            Annotated[str, msgspec.Meta(description="IANA name")],
            {"type": "string", "description": "IANA name"},
        ),
        (Annotated[int, msgspec.Meta(ge=1, le=9)], {"type": "integer", "minimum": 1, "maximum": 9}),
        (
            tuple[int, str],
            {
                "type": "array",
                "minItems": 2,
                "maxItems": 2,
                "items": False,
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
            },
        ),
    ],
)
def test_a_type_becomes_its_schema(annotation: Any, schema: dict[str, Any]) -> None:
    assert schema_of(annotation) == {
        "type": "object",
        "properties": {"value": schema},
        "required": ["value"],
        "additionalProperties": False,
    }


def test_nested_structs_are_definitions_beside_the_object() -> None:
    schema = schema_of(Area)

    assert schema["type"] == "object"
    assert schema["properties"] == {"value": {"$ref": "#/$defs/Area"}}
    assert schema["$defs"]["Area"]["properties"]["corners"]["items"] == {"$ref": "#/$defs/Point"}
    assert schema["$defs"]["Point"]["description"] == "A place on the map."


def test_titles_are_dropped_but_not_a_property_named_title() -> None:
    point = schema_of(Point)["$defs"]["Point"]

    assert "title" not in point
    assert set(point["properties"]) == {"title", "x"}


def test_a_key_named_title_in_a_default_is_kept() -> None:
    home = Point("home")

    @tool
    def place(at: Point = home) -> None:
        """Place it."""

    assert place.parameters["properties"]["at"]["default"] == {"title": "home", "x": 0.0}


def test_an_enum_becomes_its_values() -> None:
    assert schema_of(Unit)["$defs"]["Unit"] == {"enum": ["celsius", "kelvin"]}


def test_a_default_makes_an_argument_optional_and_is_shown() -> None:
    @tool
    def search(limit_to: int = 10, *, text: str) -> None:
        """Search."""

    assert search.parameters["required"] == ["text"]
    assert search.parameters["properties"]["limit_to"] == {"type": "integer", "default": 10}


def test_a_tool_without_parameters_takes_an_empty_object() -> None:
    @tool
    def ping() -> None:
        """Answer."""

    assert ping.parameters == {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    }


def test_the_context_is_not_in_the_schema() -> None:
    @tool
    def whose(ctx: ToolContext, city: str) -> str:
        """Tell whose it is."""
        return ctx.owner + city

    assert list(whose.parameters["properties"]) == ["city"]


def test_the_description_is_the_first_paragraph_on_one_line() -> None:
    @tool
    def weather() -> None:
        """Tell the weather
        of today.

        Raises:
            Nothing the model cares for.
        """

    assert weather.description == "Tell the weather of today."


def test_name_description_and_timeout_can_be_given() -> None:
    @tool(name="get-weather", description="Tell the weather.", timeout=5.0)
    def weather() -> None: ...

    assert (weather.name, weather.description, weather.timeout) == ("get-weather", "Tell the weather.", 5.0)
    assert weather.spec.name == "get-weather"


async def test_a_tool_is_still_the_plain_function() -> None:
    @tool
    async def double(number: int) -> int:
        """Double it."""
        return 2 * number

    @tool(name="half")
    def halve(number: int) -> float:
        """Halve it."""
        return number / 2

    assert await double(4) == 8
    assert halve(number=4) == 2.0


def unannotated(city) -> None:  # type: ignore[no-untyped-def]  # what the test is about
    """Tell."""


def many(*cities: str) -> None:
    """Tell."""


def anything(**cities: str) -> None:
    """Tell."""


def positional(city: str, /) -> None:
    """Tell."""


def unsupported(city: Callable[[], int]) -> None:
    """Tell."""


def two_structs(city: Point | Area) -> None:
    """Tell."""


def unresolved(city: "Missing") -> None:  # type: ignore[name-defined]  # noqa: F821 - what the test is about
    """Tell."""


def wrong_default(city: int = None) -> None:  # type: ignore[assignment]  # noqa: RUF013 - what the test is about
    """Tell."""


def out_of_range(city: Annotated[int, msgspec.Meta(ge=1)] = 0) -> None:
    """Tell."""


def mutable_default(city: list[int] = [1]) -> None:  # noqa: B006 - what the test is about
    """Tell."""


def foreign_letters(städte: str) -> None:
    """Tell."""


def hidden(_city: str) -> None:
    """Tell."""


def untyped_context(ctx: str) -> None:
    """Tell."""


def late_context(city: str, ctx: ToolContext) -> None:
    """Tell."""


def misnamed_context(city: ToolContext) -> None:
    """Tell."""


def collected_context(*ctx: ToolContext) -> None:
    """Tell."""


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (unannotated, "parameter city needs a type annotation"),
        (many, "parameter cities collects any number of values"),
        (anything, "parameter cities collects any argument"),
        (positional, "parameter city is positional-only"),
        (unsupported, "parameter city has a type that no JSON fits"),
        (two_structs, "parameter city has a type that no JSON fits"),
        (unresolved, "name 'Missing' is not defined"),
        (wrong_default, "parameter city has a default that cannot be used: Expected `int`, got `null`"),
        (out_of_range, "parameter city has a default that cannot be used: Expected `int` >= 1"),
        (mutable_default, "parameter city has a default that cannot be used"),
        (foreign_letters, "parameter städte must be named with a-z"),
        (hidden, "parameter _city must be named with a-z"),
        (untyped_context, "parameter ctx must be annotated ToolContext"),
        (late_context, "parameter ctx is out of place"),
        (misnamed_context, "parameter city is out of place"),
        (collected_context, "parameter ctx must be an ordinary parameter"),
    ],
)
def test_a_parameter_no_model_could_fill_in_is_refused(function: Callable[..., Any], problem: str) -> None:
    with pytest.raises(ToolDefinitionError) as refused:
        tool(function)

    assert problem in str(refused.value)
    assert f"Tool {function.__name__}:" in str(refused.value)


def undescribed() -> None: ...


def blank() -> None:
    """ """


def generator() -> Iterator[int]:
    """Count."""
    yield 1


async def async_generator() -> AsyncIterator[int]:
    """Count."""
    yield 1


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (undescribed, "needs a description"),
        (blank, "needs a description"),
        (generator, "cannot be a generator"),
        (async_generator, "cannot be a generator"),
        (Unit, "made of a function"),
        (print, "made of a function"),
    ],
)
def test_what_is_not_a_described_function_is_refused(function: Callable[..., Any], problem: str) -> None:
    with pytest.raises(ToolDefinitionError, match=problem):
        tool(function)


@pytest.mark.parametrize("name", ["", "two words", "a.b", "größe", "x" * 65, "line\n"])
def test_a_name_that_providers_refuse_is_refused(name: str) -> None:
    with pytest.raises(ToolDefinitionError, match="must be 1 to 64"):
        tool(name=name, description="Tell.")(undescribed)


@pytest.mark.parametrize("seconds", [0, -1.0, float("inf"), float("nan")])
def test_a_timeout_that_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(ToolDefinitionError, match="the timeout must be seconds above zero"):
        tool(description="Tell.", timeout=seconds)(undescribed)


@pytest.mark.parametrize("builtin", BUILTIN_TOOLS, ids=lambda builtin: builtin.name)
def test_every_argument_of_a_builtin_tool_is_described(builtin: Tool[..., Any]) -> None:
    assert all(argument["description"] for argument in builtin.parameters["properties"].values())
