"""Values become the JSON that JavaScript would write."""

import enum
import json
import types
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any, Literal, Optional

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from tests.tidewire_protocol.documents import DEPTH, deep_value, documents, texts
from tidewire_protocol import IDENTITY, TRANSFORMERS
from tidewire_protocol.transformer import writes_alike

NOON = datetime(2024, 2, 29, 12, 34, 56, 789_999, tzinfo=UTC)
NOON_TEXT = "2024-02-29T12:34:56.789Z"
NAIVE = datetime(2024, 2, 29, 12, 34, 56)


class Color(enum.Enum):
    RED = "red"


class Point(msgspec.Struct, rename="camel", tag="point"):
    left_edge: float
    label: str | None = None


class Wrapper(msgspec.Struct):
    content: Any
    note: int | UnsetType = UNSET


class Titled(msgspec.Struct):
    text: Annotated[str, msgspec.Meta(title="Text", max_length=5)]


class Moment(msgspec.Struct):
    at: datetime


class Row(msgspec.Struct, array_like=True):
    at: datetime
    name: str


class Tree(msgspec.Struct):
    name: str
    children: list["Tree"] = []


class Diary(msgspec.Struct):
    at: datetime
    pages: list["Diary"] = []


@dataclass
class Pair:
    left: int
    right: datetime


def text_of(value: object) -> str:
    encoded = IDENTITY.encode(value)
    assert encoded is not None
    return encoded.decode()


def test_transformers_are_found_by_their_names() -> None:
    assert all(transformer.name == name for name, transformer in TRANSFORMERS.items())
    assert TRANSFORMERS["none"] is IDENTITY


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (0, "0"),
        (-1.5, "-1.5"),
        ("a\n\u2028é", '"a\\n\u2028é"'),
        ("\ud800", '"\\ud800"'),
        ([], "[]"),
        ({}, "{}"),
        ((1, "a", [None]), '[1,"a",[null]]'),
        ({7}, "[7]"),
        (frozenset({(7,)}), "[[7]]"),
        ({1: "a", 2.5: "b"}, '{"1":"a","2.5":"b"}'),
        (Color.RED, '"red"'),
        ({Color.RED: [Color.RED]}, '{"red":["red"]}'),
        (b"\x00\xff", '"AP8="'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (NOON, f'"{NOON_TEXT}"'),
        ([{"a": (NOON,)}], f'[{{"a":["{NOON_TEXT}"]}}]'),
        ({NOON}, f'["{NOON_TEXT}"]'),
        (Moment(NOON), f'{{"at":"{NOON_TEXT}"}}'),
        (Row(NOON, "r"), f'["{NOON_TEXT}","r"]'),
        (Pair(1, NOON), f'{{"left":1,"right":"{NOON_TEXT}"}}'),
        (Diary(NOON, [Diary(NOON)]), f'{{"at":"{NOON_TEXT}","pages":[{{"at":"{NOON_TEXT}","pages":[]}}]}}'),
        (Point(1.5, "p"), '{"type":"point","leftEdge":1.5,"label":"p"}'),
        (Point(1.5, "\ud800"), '{"type":"point","leftEdge":1.5,"label":"\\ud800"}'),
        (Tree("a", [Tree("b")]), '{"name":"a","children":[{"name":"b","children":[]}]}'),
        (
            Wrapper([Moment(NOON), {"k": NOON}]),
            f'{{"content":[{{"at":"{NOON_TEXT}"}},{{"k":"{NOON_TEXT}"}}]}}',
        ),
        (Wrapper(Wrapper("\ud800", 1)), '{"content":{"content":"\\ud800","note":1}}'),
    ],
)
def test_a_value_is_written_as(value: object, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_for_json_is_null(number: float) -> None:
    assert text_of(number) == "null"
    assert text_of([number]) == "[null]"
    assert text_of(Point(number)) == '{"type":"point","leftEdge":null,"label":null}'


def test_absent_at_the_top_is_no_text_at_all() -> None:
    assert IDENTITY.encode(UNSET) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": UNSET, "b": 1}, '{"b":1}'),
        ({"a": {"b": UNSET}}, '{"a":{}}'),
        ([UNSET, 1], "[null,1]"),
        ((UNSET,), "[null]"),
        (Wrapper(None), '{"content":null}'),
        (Wrapper(UNSET), "{}"),
        (Wrapper({"a": UNSET}), '{"content":{}}'),
    ],
)
def test_absent_inside_is_left_out_of_objects_and_null_in_arrays(value: object, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    "value", [NAIVE, [NAIVE], {"a": {"b": NAIVE}}, Moment(NAIVE), Wrapper((NAIVE,)), Diary(NAIVE)]
)
def test_a_time_without_a_time_zone_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"^The time 2024-02-29T12:34:56 has no time zone$"):
        IDENTITY.encode(value)


def test_a_time_without_a_time_zone_that_looks_like_no_time_is_refused_too() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        IDENTITY.encode([datetime(1, 1, 1)])


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), "1970-01-01T00:00:00.000Z"),
        (datetime(2024, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2))), "2023-12-31T23:30:00.000Z"),
        (datetime(2024, 1, 1, 0, 0, 0, 999, tzinfo=UTC), "2024-01-01T00:00:00.000Z"),
        (datetime(2024, 1, 1, 0, 0, 0, 1000, tzinfo=UTC), "2024-01-01T00:00:00.001Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
    ],
)
def test_a_time_is_written_in_utc_with_milliseconds(moment: datetime, text: str) -> None:
    assert text_of({"at": moment}) == f'{{"at":"{text}"}}'


@pytest.mark.parametrize("value", [object(), [object()], Wrapper(object()), 1j, {"a": print}, iter([1])])
def test_a_value_without_json_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match=r"^A value of type \w+ has no JSON form$"):
        IDENTITY.encode(value)


def cyclic_tree() -> object:
    tree = Tree("a")
    tree.children.append(tree)
    return tree


def cyclic_diary() -> object:
    diary = Diary(NOON)
    diary.pages.append(diary)
    return diary


def cyclic_wrapper() -> object:
    content: list[Any] = []
    content.append(content)
    return Wrapper(content)


def cyclic_dict() -> object:
    value: dict[str, Any] = {}
    value["a"] = value
    return value


@pytest.mark.parametrize("make", [cyclic_tree, cyclic_diary, cyclic_wrapper, cyclic_dict])
def test_a_value_that_contains_itself_is_refused(make: Any) -> None:
    with pytest.raises(ValueError, match="contains itself"):
        IDENTITY.encode(make())


def test_a_deep_value_is_written() -> None:
    assert text_of({"a": deep_value()}) == '{"a":' + "[" * DEPTH + "]" * DEPTH + "}"


@given(documents(surrogates=True))
def test_a_document_is_read_as_it_is_and_written_as_it_was(document: Any) -> None:
    assert IDENTITY.decode(document) is document
    assert json.loads(text_of(document)) == json.loads(json.dumps(document))


def test_an_absent_document_is_an_absent_value() -> None:
    assert IDENTITY.decode(UNSET) is UNSET


# ---------- events with an id


VALUES = documents(surrogates=True) | st.sampled_from(
    [UNSET, Moment(NOON), Point(0.5), Tree("\ud800"), {"a": UNSET}, [NOON], float("nan"), (1,)]
)


@given(event_id=texts(surrogates=True), value=VALUES)
def test_a_tracked_event_is_the_object_of_its_id_and_data(event_id: str, value: Any) -> None:
    assert IDENTITY.encode_tracked(event_id, value).decode() == text_of({"id": event_id, "data": value})


def test_a_tracked_event_that_has_no_json_form_is_refused() -> None:
    with pytest.raises(TypeError):
        IDENTITY.encode_tracked("1", object())
    with pytest.raises(ValueError, match="time zone"):
        IDENTITY.encode_tracked("1", NAIVE)


# ---------- which types skip the walk


@pytest.mark.parametrize(
    ("cls", "alike"),
    [
        (str, True),
        (int, True),
        (float, True),
        (bool, True),
        (type(None), True),
        (Point, True),
        (Tree, True),
        (Titled, True),
        (datetime, False),
        (list, False),
        (dict, False),
        (tuple, False),
        (Moment, False),
        (Diary, False),
        (Wrapper, False),
        (Row, False),
        (Pair, False),
        (Color, False),
    ],
)
def test_only_scalars_and_structs_of_scalars_skip_the_walk(cls: type, alike: bool) -> None:
    assert writes_alike(cls) is alike
    assert writes_alike(cls) is alike, "the second answer comes from the memory"


class Holder(msgspec.Struct):
    """Holds a type that holds itself and a time further on."""

    inner: "Link"
    at: datetime | None = None


class Link(msgspec.Struct):
    holder: Holder | None = None


def test_a_time_behind_a_recursive_type_is_not_missed() -> None:
    assert not writes_alike(Holder)
    assert not writes_alike(Link)
    assert (
        text_of(Link(Holder(Link(), NOON)))
        == f'{{"holder":{{"inner":{{"holder":null}},"at":"{NOON_TEXT}"}}}}'
    )


Field = tuple[Any, st.SearchStrategy[Any], bool]

_moments = st.datetimes(
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5))]), min_value=datetime(1900, 1, 1)
)

_leaves: list[Field] = [
    (str, texts(surrogates=True), True),
    (int, st.integers(), True),
    (float, st.floats(), True),
    (bool, st.booleans(), True),
    (Literal["a", 1], st.sampled_from(["a", 1]), True),
    (Color, st.just(Color.RED), True),
    (uuid.UUID, st.uuids(), True),
    (Tree, st.builds(Tree, texts(surrogates=True), st.lists(st.builds(Tree, texts(surrogates=False)))), True),
    (datetime, _moments, False),
    (Moment, st.builds(Moment, _moments), False),
    (Any, documents(surrogates=True) | _moments | st.just({"a": UNSET}), False),
    (dict[str, datetime], st.dictionaries(texts(surrogates=False), _moments, max_size=2), False),
]


def _grow(inner: st.SearchStrategy[Field]) -> st.SearchStrategy[Field]:
    return st.one_of(inner.map(_list_of), inner.map(_tuple_of), inner.map(_optional))


def _list_of(field: Field) -> Field:
    item, values, alike = field
    return types.GenericAlias(list, item), st.lists(values, max_size=3), alike


def _tuple_of(field: Field) -> Field:
    item, values, alike = field
    return types.GenericAlias(tuple, (item, ...)), st.lists(values, max_size=3).map(tuple), alike


def _optional(field: Field) -> Field:
    item, values, alike = field
    return Optional[item], st.none() | values, alike  # noqa: UP045 - there is no `Any | None`


@given(
    fields=st.lists(st.recursive(st.sampled_from(_leaves), _grow, max_leaves=3), min_size=1, max_size=4),
    data=st.data(),
)
def test_what_skips_the_walk_is_written_as_the_walk_would_write_it(
    fields: list[Field], data: st.DataObject
) -> None:
    names = [f"field_{number}" for number in range(len(fields))]
    cls = msgspec.defstruct("Drawn", [(name, field[0]) for name, field in zip(names, fields, strict=True)])
    value = cls(*(data.draw(field[1]) for field in fields))

    assert writes_alike(cls) is all(alike for _, _, alike in fields)
    # A list never skips the walk.
    assert text_of([value]) == f"[{text_of(value)}]"
