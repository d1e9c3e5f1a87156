"""Values become payloads. What npm makes of them is seen in `tests/conformance/test_superjson.py`."""

import collections
import decimal
import enum
import math
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from types import SimpleNamespace
from typing import Annotated, Any, Literal, NamedTuple, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, UnsetType

from tests.tidewire_protocol.documents import DEPTH, deep_value, documents
from tidewire_protocol import TRANSFORMERS
from tidewire_protocol.json_text import loads
from tidewire_protocol.superjson import (
    SUPERJSON,
    URL,
    BigInt,
    Circular,
    JSDate,
    JSError,
    JSMap,
    JSSet,
    RegExp,
    TypedArray,
    Uint8Array,
)

NOON = datetime(2024, 2, 29, 12, 34, 56, 789_999, tzinfo=UTC)
NOON_TEXT = "2024-02-29T12:34:56.789Z"


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1
    HUGE = 2**60


class Odd(enum.Enum):
    PAIR = (1, 2)


class Place(NamedTuple):
    x: int
    name: str


class Text(str):
    def __str__(self) -> str:
        return "not what it is"


class Count(int):
    pass


class Ratio(float):
    pass


@dataclass
class Pair:
    left: int
    right: Any


class Delta(msgspec.Struct, frozen=True, tag="delta", tag_field="kind"):
    content: str
    done: bool = False


class Measure(msgspec.Struct, frozen=True, rename="camel"):
    tool_name: Literal["a", "b"]
    index: int = 0
    ratio: float | None = None
    color: Color = Color.RED


class Unreadable(msgspec.Struct, frozen=True):
    id: uuid.UUID | date
    unknown: "Nothing"  # type: ignore[name-defined]  # noqa: F821 - nobody knows it


class Single(msgspec.Struct, frozen=True):
    id: uuid.UUID
    index: int | UnsetType = UNSET


BoundedInt = Annotated[int, Meta(ge=0)] | str


class Ranged(msgspec.Struct, frozen=True):
    amount: BoundedInt | None
    level: Level = Level.LOW


class Maybe(msgspec.Struct, frozen=True):
    note: Annotated[str, Meta(description="a few words")] | UnsetType = UNSET


class Holder(msgspec.Struct):
    content: Any = None
    items: list[Any] = []
    note: int | UnsetType = UNSET


class Frozen(msgspec.Struct, frozen=True):
    content: Any


class Sparse(msgspec.Struct, omit_defaults=True):
    name: str = "n"
    at: datetime | None = None
    items: list[Any] = []
    extra: Any = msgspec.field(default_factory=lambda: [1])


class Row(msgspec.Struct, array_like=True, tag="row"):
    at: datetime
    count: int | UnsetType = UNSET


class Forbidden(msgspec.Struct):
    prototype: Any = None


@dataclass
class ForbiddenToo:
    constructor: Any = None


def measure(index: str, ratio: str) -> str:
    return f'{{"toolName":"a","index":{index},"ratio":{ratio},"color":"red"}}'


def text_of(value: object) -> str:
    return SUPERJSON.encode(value).decode()


def payload(json: str, values: str = "", references: str = "") -> str:
    meta = [f'"values":{values}'] if values else []
    meta += [f'"referentialEqualities":{references}'] if references else []
    return f'{{"json":{json}' + (f',"meta":{{{",".join(meta)},"v":1}}}}' if meta else "}")


def test_it_is_found_by_its_name() -> None:
    assert TRANSFORMERS["superjson"] is SUPERJSON
    assert SUPERJSON.name == "superjson"


@pytest.mark.parametrize(
    ("value", "json"),
    [
        (None, "null"),
        (True, "true"),
        ("a\n\u2028\ud800", '"a\\n\u2028\\ud800"'),
        (2**53 - 1, "9007199254740991"),
        (1.0, "1"),
        (-1.5, "-1.5"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (0.1, "0.1"),
        ([], "[]"),
        ((1, [None], Place(1, "p")), '[1,[null],[1,"p"]]'),
        ({}, "{}"),
        (collections.OrderedDict(b=1, a=2), '{"b":1,"a":2}'),
        ({Color.RED: 1, Text("t"): 2, date(2024, 2, 29): 3}, '{"red":1,"t":2,"2024-02-29":3}'),
        (Color.RED, '"red"'),
        (Level.LOW, "1"),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (decimal.Decimal("1.10"), '"1.10"'),
        (date(2024, 2, 29), '"2024-02-29"'),
        (time(12, 30), '"12:30:00"'),
        (timedelta(seconds=5), '"PT5S"'),
        (Text("t"), '"t"'),
        (Count(5), "5"),
        (Ratio(1.5), "1.5"),
        (Pair(1, UNSET), '{"left":1}'),
        (Delta("x"), '{"kind":"delta","content":"x","done":false}'),
        (Measure("a", 5, 0.5), '{"toolName":"a","index":5,"ratio":0.5,"color":"red"}'),
        (Single(uuid.UUID(int=1)), '{"id":"00000000-0000-0000-0000-000000000001"}'),
        (Unreadable(date(2024, 2, 29), 1), '{"id":"2024-02-29","unknown":1}'),
        (Maybe(), "{}"),
        (Ranged(5), '{"amount":5,"level":1}'),
        (Holder(Holder(1)), '{"content":{"content":1,"items":[]},"items":[]}'),
        ({"d": Delta("x")}, '{"d":{"kind":"delta","content":"x","done":false}}'),
        (Sparse(), '{"extra":[1]}'),
        (Sparse(items=[1], extra=None), '{"items":[1],"extra":null}'),
        (Sparse("m", extra=[1]), '{"name":"m","extra":[1]}'),
        ([Delta("\ud800")], '[{"kind":"delta","content":"\\ud800","done":false}]'),
        (JSDate(math.nan), "null"),
    ],
)
def test_what_json_has_needs_no_annotation(value: object, json: str) -> None:
    assert text_of(value) == payload(json)


@pytest.mark.parametrize(
    ("value", "json", "annotation"),
    [
        (UNSET, "null", '"undefined"'),
        (2**53, '"9007199254740992"', '"bigint"'),
        (-(2**53), '"-9007199254740992"', '"bigint"'),
        (BigInt(1), '"1"', '"bigint"'),
        (Count(2**60), '"1152921504606846976"', '"bigint"'),
        (Level.HUGE, '"1152921504606846976"', '"bigint"'),
        (math.nan, '"NaN"', '"number"'),
        (math.inf, '"Infinity"', '"number"'),
        (-math.inf, '"-Infinity"', '"number"'),
        (-0.0, '"-0"', '"number"'),
        (Ratio("nan"), '"NaN"', '"number"'),
        (NOON, f'"{NOON_TEXT}"', '"Date"'),
        (NOON.astimezone(timezone(timedelta(hours=5))), f'"{NOON_TEXT}"', '"Date"'),
        (JSDate(-62_135_596_800_001), '"0000-12-31T23:59:59.999Z"', '"Date"'),
        (JSDate(-62_198_755_200_000), '"-000001-01-01T00:00:00.000Z"', '"Date"'),
        (JSDate(8.64e15), '"+275760-09-13T00:00:00.000Z"', '"Date"'),
        ({3}, "[3]", '"set"'),
        (frozenset({"a"}), '["a"]', '"set"'),
        (JSSet([{}, []]), "[{},[]]", '"set"'),
        ({1: "a", 2.5: "b"}, '[[1,"a"],[2.5,"b"]]', '"map"'),
        ({Frozen(1): "a"}, '[[{"content":1},"a"]]', '"map"'),
        ({(1, 2): "a"}, '[[[1,2],"a"]]', '"map"'),
        ({frozenset(): 1}, "[[[],1]]", '"map",{"0.0":["set"]}'),
        ({None: 1, "a": 2}, '[[null,1],["a",2]]', '"map"'),
        ({Level.LOW: 1}, "[[1,1]]", '"map"'),
        ({NOON: 1}, f'[["{NOON_TEXT}",1]]', '"map",{"0.0":["Date"]}'),
        ({URL("data:"): 1}, '[["data:",1]]', '"map",{"0.0":["URL"]}'),
        (JSMap([["a", 1]]), '[["a",1]]', '"map"'),
        (re.compile("a/b", re.IGNORECASE), '"/a\\\\/b/i"', '"regexp"'),
        (re.compile("", re.M | re.S), '"/(?:)/ms"', '"regexp"'),
        (re.compile(r"(?P<n>\/)(?P=n)\(?"), '"/(?<n>\\\\/)\\\\k<n>\\\\(?/"', '"regexp"'),
        (RegExp("a", "gu"), '"/a/gu"', '"regexp"'),
        (URL("https://x.y/"), '"https://x.y/"', '"URL"'),
        (b"\x00\xff", "[0,255]", '["typed-array","Uint8Array"]'),
        (bytearray(b"a"), "[97]", '["typed-array","Uint8Array"]'),
        (memoryview(b"a"), "[97]", '["typed-array","Uint8Array"]'),
        (Uint8Array(b"a"), "[97]", '["typed-array","Uint8Array"]'),
        (TypedArray("Float64Array", [1.0, math.nan, -0.0]), "[1,null,0]", '["typed-array","Float64Array"]'),
        (ValueError("no"), '{"name":"ValueError","message":"no"}', '"Error"'),
        (JSError("E", "m", 1), '{"name":"E","message":"m","cause":1}', '"Error"'),
        (JSError("E", "m"), '{"name":"E","message":"m","cause":null}', '"Error",{"cause":["undefined"]}'),
    ],
)
def test_what_json_has_not_is_annotated(value: object, json: str, annotation: str) -> None:
    assert text_of(value) == payload(json, f"[{annotation}]")
    assert text_of({"a": value}) == payload(f'{{"a":{json}}}', f'{{"a":[{annotation}]}}')
    assert text_of([[value]]) == payload(f"[[{json}]]", f'{{"0.0":[{annotation}]}}')
    assert text_of(Frozen(value)) in (
        payload(f'{{"content":{json}}}', f'{{"content":[{annotation}]}}'),
        payload("{}"),
    )


def test_what_is_not_set_in_a_class_is_absent() -> None:
    assert text_of(Holder(UNSET)) == payload('{"items":[]}')
    assert text_of(Pair(1, UNSET)) == payload('{"left":1}')
    assert text_of(Row(NOON)) == payload(f'["row","{NOON_TEXT}",null]', '{"1":["Date"],"2":["undefined"]}')


@pytest.mark.parametrize(
    ("value", "json", "values"),
    [
        (Measure("a", 2**60), measure('"1152921504606846976"', "null"), '{"index":["bigint"]}'),
        (Measure("a", BigInt(1)), measure('"1"', "null"), '{"index":["bigint"]}'),
        (Measure("a", 1, math.nan), measure("1", '"NaN"'), '{"ratio":["number"]}'),
        (Measure("a", 1, -0.0), measure("1", '"-0"'), '{"ratio":["number"]}'),
        (Ranged(2**53), '{"amount":"9007199254740992","level":1}', '{"amount":["bigint"]}'),
        (Ranged(1, Level.HUGE), '{"amount":1,"level":"1152921504606846976"}', '{"level":["bigint"]}'),
        (
            Single(cast("uuid.UUID", URL("s:")), 2**53),
            '{"id":"s:","index":"9007199254740992"}',
            '{"id":["URL"],"index":["bigint"]}',
        ),
        (Delta(URL("data:")), '{"kind":"delta","content":"data:","done":false}', '{"content":["URL"]}'),
        (
            [Delta("x"), Delta(URL("data:"))],
            '[{"kind":"delta","content":"x","done":false},{"kind":"delta","content":"data:","done":false}]',
            '{"1.content":["URL"]}',
        ),
        (Sparse(at=NOON, extra=1), f'{{"at":"{NOON_TEXT}","extra":1}}', '{"at":["Date"]}'),
        ({"u": UNSET, "n": None}, '{"u":null,"n":null}', '{"u":["undefined"]}'),
        (
            {"a.b": {"\\": UNSET}, "": UNSET},
            '{"a.b":{"\\\\":null},"":null}',
            '{"a\\\\.b.\\\\\\\\":["undefined"],"":["undefined"]}',
        ),
    ],
)
def test_annotations_stand_at_their_paths(value: object, json: str, values: str) -> None:
    assert text_of(value) == payload(json, values)


@pytest.mark.parametrize(
    ("value", "values"),
    [
        ([[UNSET], UNSET], '{"1":["undefined"],"0.0":["undefined"]}'),
        (
            {"b": UNSET, "10": UNSET, "9": UNSET, "01": UNSET},
            '{"9":["undefined"],"10":["undefined"],"b":["undefined"],"01":["undefined"]}',
        ),
        ([[[UNSET], UNSET]], '{"0.1":["undefined"],"0.0.0":["undefined"]}'),
    ],
)
def test_annotations_have_the_order_of_a_javascript_object(value: object, values: str) -> None:
    assert text_of(value).split('"values":')[1] == values + ',"v":1}}'


@pytest.mark.parametrize("moment", [NOON.replace(tzinfo=None), [Row(datetime(2024, 1, 1))]])
def test_a_time_without_a_time_zone_is_refused(moment: object) -> None:
    with pytest.raises(ValueError, match=r"has no time zone$"):
        text_of(moment)


@pytest.mark.parametrize("name", ["__proto__", "constructor", "prototype"])
def test_keys_that_change_prototypes_are_refused(name: str) -> None:
    message = (
        f"^Detected property {name}. This is a prototype pollution risk, please remove it from your object.$"
    )
    for value in ({name: 1}, [{"a": {name: 1}}], {Color.RED: 1, Text(name): 1}):
        with pytest.raises(ValueError, match=message):
            text_of(value)


@pytest.mark.parametrize(("value", "name"), [(Forbidden(), "prototype"), (ForbiddenToo(), "constructor")])
def test_a_class_with_such_a_field_is_refused_every_time(value: object, name: str) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match=f"^Detected property {name}"):
            text_of(value)


@pytest.mark.parametrize(
    "value", [object(), [1j], {"a": print}, iter([1]), Odd.PAIR, Holder(SimpleNamespace())]
)
def test_a_value_without_json_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match=r"^A value of type \w+ has no JSON form$"):
        text_of(value)


@pytest.mark.parametrize("pattern", [re.compile(b"a"), re.compile("a", re.VERBOSE)])
def test_a_pattern_that_javascript_cannot_have_is_refused(pattern: re.Pattern[Any]) -> None:
    with pytest.raises(ValueError, match=r"has no JavaScript form$"):
        text_of(pattern)


def test_the_id_of_an_event_comes_before_its_data() -> None:
    plain = SUPERJSON.encode_tracked('i"d', Delta("x"))
    assert plain.decode() == payload('{"id":"i\\"d","data":{"kind":"delta","content":"x","done":false}}')
    walked = SUPERJSON.encode_tracked("1", {"d": NOON})
    assert walked.decode() == payload(f'{{"id":"1","data":{{"d":"{NOON_TEXT}"}}}}', '{"data.d":["Date"]}')
    assert SUPERJSON.encode_tracked("1", UNSET).decode() == payload(
        '{"id":"1","data":null}', '{"data":["undefined"]}'
    )


# ---------- the same value


@pytest.mark.parametrize(
    "make",
    [
        lambda: {"x": 1},
        lambda: [1],
        lambda: {1},
        lambda: JSMap(),
        lambda: JSSet(),
        lambda: NOON + timedelta(0),
        lambda: JSDate(math.nan),
        lambda: URL("data:"),
        lambda: RegExp("a"),
        lambda: Uint8Array(b""),
        lambda: bytearray(),
        lambda: TypedArray("Int8Array"),
        lambda: JSError("E", "m"),
        lambda: ValueError("no"),
        lambda: Holder(),
        lambda: Pair(1, 2),
        lambda: BigInt(1),
        lambda: 2**60,
        lambda: math.nan,
    ],
)
def test_what_is_met_twice_is_told(make: Any) -> None:
    value = make()
    text = text_of({"a": {"b": value}, "c": value, "d": [make()]})
    if isinstance(value, (int, float)):
        assert '"referentialEqualities":{"c":["a.b","d.0"]}' in text
    else:
        assert '"referentialEqualities":{"c":["a.b"]}' in text
        assert "referentialEqualities" not in text_of([make(), make()])


@pytest.mark.parametrize(
    "value",
    [
        "text",
        (1,),
        frozenset({1}),
        b"bytes",
        Frozen(1),
        Delta("x"),
        Color.RED,
        1,
        1.5,
        None,
        math.inf,
        re.compile("a"),
    ],
)
def test_what_python_shares_unseen_is_not_told(value: object) -> None:
    assert "referentialEqualities" not in text_of([value, value])


def test_equalities_have_the_order_of_a_javascript_object() -> None:
    shared: list[list[Any]] = [[], [], []]
    text = text_of({"b": shared[0], "10": shared[1], "9": shared[2], "c": shared})
    assert '"referentialEqualities":{"9":["c.2"],"10":["c.1"],"b":["c.0"]}' in text


def test_what_was_annotated_is_annotated_wherever_it_is() -> None:
    shared = {"at": NOON, "deep": [{1}]}
    values = "{" + ",".join(f'"{path}.at":["Date"],"{path}.deep.0":["set"]' for path in "ab") + "}"
    json = f'{{"at":"{NOON_TEXT}","deep":[[1]]}}'
    assert text_of({"a": shared, "b": shared}) == payload(f'{{"a":{json},"b":{json}}}', values, '{"a":["b"]}')


def test_a_circle_is_null_and_told() -> None:
    circle: dict[str, Any] = {"list": []}
    circle["list"].append(circle)
    assert text_of(circle) == payload('{"list":[null]}', references='[["list.0"]]')
    assert text_of([circle]) == payload('[{"list":[null]}]', references='{"0":["0.list.0"]}')
    assert text_of(Circular(circle)) == text_of(circle)
    assert text_of({"in": Circular(circle)}) == payload(
        '{"in":{"list":[null]}}', references='{"in":["in.list.0"]}'
    )


def test_a_circle_through_the_whole_may_have_others_beside_it() -> None:
    inner: dict[str, Any] = {}
    whole = {"q": inner}
    inner |= {"p": whole, "z": inner}
    assert text_of(whole) == payload('{"q":{"p":null,"z":null}}', references='[["q.p"],{"q":["q.z"]}]')


def test_a_frozen_value_in_a_circle_is_cut_where_something_can_change() -> None:
    items: list[Any] = []
    items.append(Frozen((items,)))
    assert text_of(items) == payload('[{"content":[null]}]', references='[["0.content.0"]]')


def test_a_frozen_value_that_contains_itself_is_refused() -> None:
    value = Frozen(None)
    msgspec.structs.force_setattr(value, "content", (value,))
    with pytest.raises(ValueError, match=r"^A Frozen that contains itself has no JSON form$"):
        text_of(value)
    assert text_of([(1,), (1,)]) == payload("[[1],[1]]")


# ---------- any value


def test_nesting_may_be_deeper_than_python_goes() -> None:
    value = deep_value()
    innermost = value
    while innermost:
        innermost = innermost[0]
    innermost.append(NOON)
    text = text_of(value)
    assert text.startswith(payload("[" * DEPTH + f'"{NOON_TEXT}"' + "]" * DEPTH)[:-1])
    assert loads(text)["meta"]["values"] == {".".join("0" * DEPTH): ["Date"]}


def test_maps_may_be_nested_deeper_than_python_goes() -> None:
    value: Any = NOON
    for _ in range(DEPTH):
        value = {1: value}
    decoded = SUPERJSON.decode(loads(text_of(value)))
    for _ in range(DEPTH):
        assert isinstance(decoded, JSMap)
        decoded = decoded[1]
    assert decoded == NOON.replace(microsecond=789_000)


@given(documents(surrogates=True))
def test_a_document_comes_back_as_it_was(document: Any) -> None:
    text = text_of(document)
    assert text_of(SUPERJSON.decode(loads(text))) == text


scalars = (
    st.none()
    | st.just(UNSET)
    | st.booleans()
    | st.integers().map(BigInt)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(microsecond=789_000))
    | st.binary(max_size=4).map(Uint8Array)
)
keys = st.text(max_size=4).filter(lambda key: key not in {"__proto__", "constructor", "prototype"})
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(keys | st.sampled_from(["a.b", "\\", ".", "0", "12"]), inner, max_size=4)
        | st.lists(st.tuples(inner, inner), max_size=4).map(JSMap)
        | st.tuples(st.text(max_size=3), st.text(max_size=3), inner).map(lambda parts: JSError(*parts))
    ),
    max_leaves=20,
)


@given(values)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    text = text_of(value)
    decoded = SUPERJSON.decode(loads(text))
    assert decoded == value
    assert text_of(decoded) == text


class Numbers(msgspec.Struct, frozen=True):
    integer: int
    number: float | None
    text: str


@given(st.builds(Numbers, st.integers(), st.none() | st.floats(), st.text(max_size=3)))
def test_a_struct_of_scalars_is_written_like_a_dict(value: Numbers) -> None:
    fields = msgspec.structs.asdict(value)
    shortcut, walked = (SUPERJSON.decode(loads(text_of(item))) for item in (value, fields))
    assert repr(shortcut) == repr(walked) or shortcut == walked
    assert ("meta" in text_of(value)) == ("meta" in text_of(fields))
