"""What can be declared as a procedure, and how a wrong declaration is refused."""

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import msgspec
import pytest

from tests.tidewire.procedures import Point, Settings, Tree, ask, declare
from tidewire import Context, DeclarationError, Tracked
from tidewire_protocol import CallKind


class Foreign:
    """A class that msgspec does not know."""


class HoldsForeign(msgspec.Struct):
    parts: list[Foreign]


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
