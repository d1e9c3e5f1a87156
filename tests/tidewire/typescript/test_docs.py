"""What comments say."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from tests.tidewire.typescript.generated import declared, giving, taking, text_of
from tidewire import Router


class Mode(Enum):
    FAST = "fast"


Side = Literal["left", "right"]
"""Where it is."""


class Base(Struct):
    """Not the heir's."""

    inherited: int
    """From the base."""


class Heir(Base):
    own: int
    """Its own.

    In two paragraphs, with a */ in it.
    """


class Limits(Struct):
    """A class
    of two lines."""

    a: Annotated[int, Meta(ge=1, le=10)]
    b: Annotated[float, Meta(gt=0.5, lt=1, multiple_of=0.1)]
    c: Annotated[str, Meta(min_length=1, max_length=200, pattern="^a")]
    d: Annotated[list[str], Meta(max_length=3)]
    e: Annotated[dict[str, int], Meta(min_length=1)]
    f: list[Annotated[str, Meta(max_length=5)]] | None
    g: dict[Annotated[str, Meta(max_length=5)], Annotated[int, Meta(ge=0)]]
    h: Annotated[datetime, Meta(tz=True)]
    i: Annotated[int, Meta(description="From the annotation.")]
    j: Annotated[int, Meta(ge=1)] | None
    k: tuple[Annotated[int, Meta(ge=1)], ...]


class Defaults(Struct):
    a: int = 1
    b: str = "x"
    c: Mode = Mode.FAST
    d: str | None = None
    e: list[int] = msgspec.field(default_factory=list)
    f: bool = False


def comments(name: str, text: str) -> dict[str, list[str]]:
    """The lines of the comment before each property."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in declared(name, text).splitlines()[1:]:
        stripped = line.strip().removeprefix("/**").removesuffix("*/").strip("* ").strip()
        if line.startswith("  ") and line.lstrip().startswith(("/*", "*")):
            lines += [stripped] if stripped else []
        elif line.startswith("  "):
            found[line.strip().partition(":")[0]] = lines
            lines = []
    return found


def test_a_class_has_its_docstring_and_not_that_of_its_base() -> None:
    assert declared("Base", text_of(giving(Base))).startswith("/** Not the heir's. */\nexport type Base")
    assert declared("Heir", text_of(giving(Heir))).startswith("export type Heir")


def test_a_docstring_of_several_lines_is_a_block() -> None:
    assert declared("Limits", text_of(giving(Limits))).startswith(
        "/**\n * A class\n * of two lines.\n */\nexport"
    )


def test_a_field_has_the_docstring_after_it_wherever_it_was_declared() -> None:
    assert declared("Heir", text_of(giving(Heir))).splitlines()[1:] == [
        "  /** From the base. */",
        "  inherited: number;",
        "  /**",
        "   * Its own.",
        "   *",
        "   * In two paragraphs, with a *\\/ in it.",
        "   */",
        "  own: number;",
        "};",
    ]


def test_the_name_of_a_type_has_the_docstring_after_it() -> None:
    async def turn(side: Side) -> None: ...

    router = Router()
    router.mutation(turn)
    assert declared("Side", text_of(router)).startswith("/** Where it is. */\n")


def test_a_procedure_has_its_docstring() -> None:
    async def turn() -> None:
        """Turn around.

        Once.
        """

    router = Router()
    router.mutation(turn)
    assert "  /**\n   * Turn around.\n   *\n   * Once.\n   */\n  turn: TRPCMutationProcedure<{" in text_of(
        router
    )


def test_constraints_are_tags() -> None:
    assert comments("Limits", text_of(taking(Limits))) == {
        "a": ["@minimum 1", "@maximum 10"],
        "b": ["@exclusiveMinimum 0.5", "@exclusiveMaximum 1", "@multipleOf 0.1"],
        "c": ["@pattern ^a", "@minLength 1", "@maxLength 200"],
        "d": ["@maxItems 3"],
        "e": ["@minProperties 1"],
        "f": ["Each item: maxLength 5."],
        "g": ["Each key: maxLength 5.", "Each value: minimum 0."],
        "h": ["With a time zone."],
        "i": ["From the annotation."],
        "j": ["@minimum 1"],
        "k": ["Each item: minimum 1."],
    }


@pytest.mark.parametrize(
    ("router", "expected"),
    [
        (
            taking(Defaults),
            {
                "a?": ["@defaultValue 1"],
                "b?": ['@defaultValue "x"'],
                "c?": ['@defaultValue "fast"'],
                "d?": [],
                "e?": [],
                "f?": ["@defaultValue false"],
            },
        ),
        (giving(Defaults), {key: [] for key in "abcdef"}),
    ],
    ids=["input", "output"],
)
def test_a_default_is_told_to_those_who_may_leave_it_out(router: Router, expected: dict[str, Any]) -> None:
    assert comments("Defaults", text_of(router)) == expected


def test_a_class_without_source_has_no_docstrings() -> None:
    struct = msgspec.defstruct("Made", [("a", int)], module="nowhere")
    assert declared("Made", text_of(giving(struct))) == "export type Made = {\n  a: number;\n};"
