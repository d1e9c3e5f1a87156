"""What may be absent, what may be null, and what a client sees otherwise than it sends it."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, NamedTuple, NotRequired, TypedDict, TypeVar

import msgspec
import pytest
from msgspec import UNSET, Struct, UnsetType

from tests.tidewire.typescript.generated import giving, names, part, properties, taking, text_of
from tidewire import Router

T = TypeVar("T")


class Sparse(Struct, omit_defaults=True, rename="camel", kw_only=True):
    required_one: int
    nullable_one: int | None
    number: int = 1
    text: str | None = None
    items: list[int] = msgspec.field(default_factory=list)
    made: list[int] = msgspec.field(default_factory=lambda: [1])
    unset: int | UnsetType = UNSET
    unset_or_null: int | UnsetType | None = UNSET


class Dense(Struct):
    number: int = 1
    text: str | None = None
    unset: int | UnsetType = UNSET


@dataclass
class Data:
    kind: ClassVar[str] = "not a field"
    number: int
    items: list[int] = field(default_factory=list)


class Options(TypedDict):
    verbose: bool
    depth: NotRequired[int | None]


class Point(NamedTuple):
    x: int
    y: int = 0


class Plain(Struct):
    text: str | None


class Holder(Struct):
    plain: Plain
    dense: Dense


class Page(Struct, Generic[T]):
    items: list[T]


def both(annotation: Any) -> str:
    """The text for a router that takes and gives this."""
    return text_of(Router(a=taking(annotation), b=giving(annotation)))


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (
            Sparse,
            [
                "requiredOne: number;",
                "nullableOne: number | null;",
                "number?: number;",
                "text?: string | null;",
                "items?: number[];",
                "made?: number[];",
                "unset?: number;",
                "unsetOrNull?: number | null;",
            ],
        ),
        (Dense, ["number?: number;", "text?: string | null;", "unset?: number;"]),
        (Data, ["number: number;", "items?: number[];"]),
        (Options, ["verbose: boolean;", "depth?: number | null;"]),
    ],
)
def test_a_client_may_leave_out_what_has_a_default(cls: type, expected: list[str]) -> None:
    assert properties(cls.__name__, text_of(taking(cls))) == expected


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (
            Sparse,
            [
                "requiredOne: number;",
                "nullableOne: number | null;",
                "number?: number;",
                # A default is left out, so this one is never null.
                "text?: string;",
                "items?: number[];",
                # Only what list, dict and set make is left out.
                "made: number[];",
                "unset?: number;",
                "unsetOrNull?: number | null;",
            ],
        ),
        (Dense, ["number: number;", "text: string | null;", "unset?: number;"]),
        (Data, ["number: number;", "items: number[];"]),
        (Options, ["verbose: boolean;", "depth?: number | null;"]),
    ],
)
def test_a_server_leaves_out_what_msgspec_leaves_out(cls: type, expected: list[str]) -> None:
    assert properties(cls.__name__, text_of(giving(cls))) == expected


def test_the_wire_agrees_with_what_the_types_say_is_left_out() -> None:
    sent = msgspec.json.decode(msgspec.json.encode(Sparse(required_one=1, nullable_one=None)))
    assert set(sent) == {"requiredOne", "nullableOne", "made"}
    assert set(msgspec.to_builtins(Dense())) == {"number", "text"}


def test_what_agrees_in_both_directions_is_one_type() -> None:
    text = both(Plain)
    assert names(text) == ["Plain"]


def test_what_differs_by_direction_is_two_types() -> None:
    text = both(Dense)
    assert names(text) == ["Dense", "DenseInput"]
    assert "input: DenseInput;" in text
    assert "output: Dense;" in text


def test_what_holds_something_that_differs_differs() -> None:
    text = both(Holder)
    assert names(text) == ["Holder", "HolderInput", "Plain", "Dense", "DenseInput"]
    assert properties("HolderInput", text) == ["plain: Plain;", "dense: DenseInput;"]


def test_a_generic_class_does_not_differ_by_its_arguments() -> None:
    text = both(Page[Dense])
    assert sorted(names(text)) == ["Dense", "DenseInput", "Page"]
    assert "input: Page<DenseInput>;" in text
    assert "output: Page<Dense>;" in text


def test_a_named_tuple_is_an_array_with_labels() -> None:
    text = both(Point)
    assert "export type Point = [x: number, y: number];" in text
    assert "export type PointInput = [x: number, y?: number];" in text


async def search(user_name: str, limit: int = 5, after: str | None = None) -> None: ...


async def recent(limit: int = 5) -> None: ...


def test_parameters_are_the_keys_of_the_input() -> None:
    router = Router()
    router.query(search)
    assert part("input", text_of(router)).split("\n")[1::1] == [
        "      userName: string;",
        "      /** @defaultValue 5 */",
        "      limit?: number;",
        "      after?: string | null;",
        "    }",
    ]


def test_an_input_whose_keys_all_have_defaults_may_be_left_out() -> None:
    router = Router()
    router.query(recent)
    assert part("input", text_of(router)).endswith("} | undefined")
