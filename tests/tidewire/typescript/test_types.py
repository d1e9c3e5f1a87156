"""Python types as TypeScript types, one kind at a time."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from typing import Annotated, Any, Final, Literal, NewType, Optional
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta, Struct, UnsetType

from tests.tidewire.typescript.generated import (
    declared,
    giving,
    input_type,
    output_type,
    part,
    properties,
    streaming,
    taking,
    text_of,
)
from tidewire import ByteStream, Form, Router, Tracked
from tidewire.typescript import TypeScriptError
from tidewire_protocol.transformer import TRANSFORMERS

UserId = NewType("UserId", int)


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Rights(Flag):
    READ = 1
    WRITE = 2


# ---------- types without a name

SAME: Final = [
    (bool, "boolean"),
    (int, "number"),
    (float, "number"),
    (str, "string"),
    (None, "null"),
    (Any, "unknown"),
    (object, "unknown"),
    (date, "string"),
    (time, "string"),
    (timedelta, "string"),
    (UUID, "string"),
    (Decimal, "string"),
    (UserId, "number"),
    (Rights, "number"),
    (Annotated[str, Meta(min_length=1)], "string"),
    (Literal[1, "a", True, None], '1 | "a" | true | null'),
    (int | None, "number | null"),
    (Optional[int], "number | null"),  # noqa: UP045 - the older way counts, too
    (None | int | str, "number | string | null"),
    (int | float, "number"),
    (list, "unknown[]"),
    (list[int], "number[]"),
    (list[int | None], "(number | null)[]"),
    (list[list[str]], "string[][]"),
    (Sequence[str], "string[]"),
    (Collection[str], "string[]"),
    (tuple, "unknown[]"),
    (tuple[int, ...], "number[]"),
    (tuple[int, str | None], "[number, string | null]"),
    (dict, "Record<string, unknown>"),
    (dict[str, int], "Record<string, number>"),
    (dict[Annotated[str, Meta(min_length=1)], int], "Record<string, number>"),
    (dict[UUID, int], "Record<string, number>"),
    (Mapping[str, list[int]], "Record<string, number[]>"),
    (dict[Color, int], "Partial<Record<Color, number>>"),
    (dict[Literal["a", "b"], int], 'Partial<Record<"a" | "b", number>>'),
]


@pytest.mark.parametrize(("annotation", "expected"), SAME, ids=str)
def test_most_types_are_the_same_with_both_transformers(annotation: Any, expected: str) -> None:
    assert output_type(annotation, "superjson") == output_type(annotation, "none") == expected
    assert input_type(annotation, "superjson") == input_type(annotation, "none") == expected


@pytest.mark.parametrize(
    ("annotation", "superjson", "plain"),
    [
        (datetime, "Date", "string"),
        (bytes, "Uint8Array", "string"),
        (bytearray, "Uint8Array", "string"),
        (set[int], "Set<number>", "number[]"),
        (frozenset[str], "Set<string>", "string[]"),
        (dict[int, str], "Map<number, string>", "Record<string, string>"),
        (dict[datetime, bool], "Map<Date, boolean>", "Record<string, boolean>"),
    ],
    ids=str,
)
def test_superjson_keeps_what_plain_json_has_no_form_for(annotation: Any, superjson: str, plain: str) -> None:
    assert output_type(annotation, "superjson") == input_type(annotation, "superjson") == superjson
    assert output_type(annotation, "none") == input_type(annotation, "none") == plain


def test_a_result_may_be_undefined() -> None:
    assert output_type(int | UnsetType) == "number | undefined"


def test_a_procedure_without_parameters_takes_void() -> None:
    assert part("input", text_of(giving(int))) == "void"


def test_an_input_with_a_default_may_be_left_out() -> None:
    assert input_type(int, default=1) == "number | undefined"
    assert input_type(int | None, default=None) == "number | null | undefined"


def test_uploads_are_what_the_links_send() -> None:
    assert input_type(Form) == "FormData"
    assert input_type(ByteStream) == "Blob | Uint8Array"


@pytest.mark.parametrize(("transformer", "flag"), [("none", "false"), ("superjson", "true")])
def test_links_are_told_whether_there_is_a_transformer(transformer: Any, flag: str) -> None:
    assert f"    transformer: {flag};\n" in text_of(giving(int), transformer)


# ---------- classes with a tag, and classes that are arrays


class Circle(Struct, tag="circle", tag_field="kind"):
    radius: float


class Square(Struct, tag=4, tag_field="kind"):
    side: float


class Row(Struct, array_like=True, tag=True):
    number: int
    note: str = ""


class Gap(Struct, array_like=True, kw_only=True):
    first: int = 0
    last: int
    odd: int = msgspec.field(name="not-a-name", default=1)


class Node(Struct):
    children: list["Node"]
    parent: "Node | None"


def test_a_tag_is_a_literal_property_before_all_others() -> None:
    assert properties("Circle", text_of(giving(Circle))) == ['kind: "circle";', "radius: number;"]
    assert properties("Square", text_of(giving(Square))) == ["kind: 4;", "side: number;"]


def test_an_array_like_struct_is_a_tuple_with_its_tag_first() -> None:
    text = text_of(giving(Row))
    assert declared("Row", text) == 'export type Row = [type: "Row", number: number, note: string];'


def test_only_the_end_of_an_array_can_be_left_out() -> None:
    text = text_of(taking(Gap))
    assert declared("Gap", text) == "export type Gap = [first: number, last: number, number?];"


def test_a_class_may_refer_to_itself() -> None:
    assert properties("Node", text_of(giving(Node))) == ["children: Node[];", "parent: Node | null;"]


# ---------- events


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (int, "AsyncIterable<number>"),
        (Tracked[int], "AsyncIterable<{ id: string; data: number; }>"),
        (Tracked[int] | Tracked[str], "AsyncIterable<{ id: string; data: number | string; }>"),
        (Tracked[int] | None, "AsyncIterable<{ id: string; data: number; } | null>"),
        (Tracked, "AsyncIterable<{ id: string; data: unknown; }>"),
        (Any, "AsyncIterable<unknown>"),
    ],
    ids=str,
)
def test_an_event_with_an_id_comes_as_id_and_data(event: Any, expected: str) -> None:
    assert re.sub(r"\s+", " ", part("output", text_of(streaming(event)))) == expected


# ---------- what has no form


class Envelope(Struct):
    content: msgspec.Raw


def test_what_has_no_form_is_named_with_its_field_and_procedure() -> None:
    with pytest.raises(
        TypeScriptError,
        match=r"^mail\.read: the field content of Envelope holds msgspec\.Raw, which has no form",
    ):
        text_of(Router(mail=giving(Envelope)))


async def receive(content: list[msgspec.Raw]) -> None: ...


def test_a_parameter_that_has_no_form_is_named() -> None:
    mail = Router()
    mail.mutation(receive)
    with pytest.raises(TypeScriptError, match=r"^mail\.receive: the field content of the input holds"):
        text_of(Router(mail=mail))


# ---------- the transformer does what the types say


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (str, "a"),
        (UUID, UUID(int=1)),
        (date, date(2024, 2, 29)),
        (time, time(12)),
        (timedelta, timedelta(1)),
        (Decimal, Decimal("1.5")),
        (Color, Color.RED),
        (int, 1),
        (float, 1.5),
        (bool, True),
        (datetime, datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_what_is_typed_as_a_map_is_sent_as_one(key: Any, value: Any) -> None:
    sent = TRANSFORMERS["superjson"].encode({value: 1})
    assert output_type(dict[key, int]).startswith("Map") == (sent is not None and b'["map"' in sent)
