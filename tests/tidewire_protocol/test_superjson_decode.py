"""Payloads become values. What npm makes of them is compared in `tests/conformance/test_superjson.py`."""

import math
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from msgspec import UNSET, UnsetType

from tidewire.declaration import declare
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
    without_undefined,
)

NOON = datetime(2024, 2, 29, 12, 34, 56, 789_000, tzinfo=UTC)
NOON_TEXT = "2024-02-29T12:34:56.789Z"


def decoded(json: Any, values: Any = None, references: Any = None, v: Any = 1) -> Any:
    meta = {"values": values, "referentialEqualities": references, "v": v}
    return SUPERJSON.decode(
        {"json": json, "meta": {key: item for key, item in meta.items() if item is not None}}
    )


@pytest.mark.parametrize(
    ("json", "annotation", "value"),
    [
        (None, "undefined", UNSET),
        ("-12", "bigint", BigInt(-12)),
        (7, "bigint", BigInt(7)),
        ("", "bigint", BigInt(0)),
        (NOON_TEXT, "Date", NOON),
        (5, "Date", datetime(1970, 1, 1, 0, 0, 0, 5000, tzinfo=UTC)),
        ("+010000-01-01T00:00:00.000Z", "Date", JSDate(253_402_300_800_000)),
        ("Infinity", "number", math.inf),
        ("-Infinity", "number", -math.inf),
        ("12", "number", 12),
        (" -1e3 ", "number", -1000),
        ("1e400", "number", math.inf),
        ("1.5", "number", 1.5),
        (None, "number", 0),
        (True, "number", 1),
        ("https://x.y/", "URL", URL("https://x.y/")),
        ("/a\\/b/gi", "regexp", RegExp("a\\/b", "gi")),
        ({"name": "TypeError", "message": "m"}, "Error", JSError("TypeError", "m")),
        ({"name": "E", "message": "m", "cause": 1}, "Error", JSError("E", "m", 1)),
        ({"message": 5}, "Error", JSError("Error", "")),
        ([1, 1, 2], "set", JSSet([1, 2])),
        ([["a", 1], ["a", 2], ["b"]], "map", JSMap([["a", 2], ["b", UNSET]])),
        ([1, 255], ["typed-array", "Uint8Array"], Uint8Array(b"\x01\xff")),
        ([-1, 40000], ["typed-array", "Int16Array"], TypedArray("Int16Array", [-1, -25536])),
        ([1.5, 3], ["typed-array", "Float64Array"], TypedArray("Float64Array", [1.5, 3])),
        ([0.5, 1e40], ["typed-array", "Float32Array"], TypedArray("Float32Array", [0.5, math.inf])),
        (None, ["typed-array", "Uint8Array"], Uint8Array(b"")),
        ([math.inf, "-1", None, {}], ["typed-array", "Uint8Array"], Uint8Array(b"\x00\xff\x00\x00")),
        (
            [-1, 2.5, 300, "NaN"],
            ["typed-array", "Uint8ClampedArray"],
            TypedArray("Uint8ClampedArray", [0, 2, 255, 0]),
        ),
        (
            [-1e40, 1, 0.1],
            ["typed-array", "Float32Array"],
            TypedArray("Float32Array", [-math.inf, 1, 0.10000000149011612]),
        ),
        ("", "number", 0),
    ],
)
def test_an_annotation_makes_a_value(json: Any, annotation: Any, value: object) -> None:
    for found in (decoded(json, [annotation]), decoded({"a": json}, {"a": [annotation]})["a"]):
        assert found == value
        assert type(found) is type(value)


@pytest.mark.parametrize(("text", "sign"), [("-0", -1.0), ("0", 1.0)])
def test_zeros_keep_their_sign(text: str, sign: float) -> None:
    assert math.copysign(1, decoded(text, ["number"])) == sign


@pytest.mark.parametrize("json", ["no date", {}, [], "2024-02-29T12:34:60Z", 8.64e15 + 1])
def test_a_date_that_is_none_is_invalid(json: Any) -> None:
    date = decoded(json, ["Date"])
    assert isinstance(date, JSDate)
    assert not date.is_valid


@pytest.mark.parametrize("json", ["text", "1_0", {}, []])
def test_what_is_no_number_is_nan(json: Any) -> None:
    assert math.isnan(decoded(json, ["number"]))


def test_an_annotation_without_a_name_makes_undefined() -> None:
    assert decoded({"a": 1}, {"a": []}) == {"a": UNSET}
    assert decoded(1, []) is UNSET


@pytest.mark.parametrize("payload", ["text", 5, True, [], {}, {"meta": {}}])
def test_what_is_no_object_is_a_payload_of_undefined(payload: object) -> None:
    assert SUPERJSON.decode(payload) is UNSET


@pytest.mark.parametrize("payload", [None, UNSET])
def test_no_payload_is_refused(payload: object) -> None:
    with pytest.raises(ValueError, match=r"Cannot destructure property 'json' of 'payload' as it is"):
        SUPERJSON.decode(payload)


@pytest.mark.parametrize("meta", [None, 5, "v", [], {}, {"v": 1}, {"values": {}}, {"values": None}])
def test_meta_may_say_nothing(meta: object) -> None:
    assert SUPERJSON.decode({"json": {"a": 1}, "meta": meta, "extra": 1}) == {"a": 1}


@pytest.mark.parametrize(
    ("json", "value"),
    [
        (2**53 - 1, 2**53 - 1),
        (2**53 + 1, float(2**53)),
        ([-(2**60) - 1, {"a": 10**20}], [float(-(2**60)), {"a": 1e20}]),
        ([10**309, -(10**309)], [math.inf, -math.inf]),
        ({"__proto__": {"a": 1}, "b": [{"__proto__": 1}]}, {"b": [{}]}),
    ],
)
def test_json_is_read_as_javascript_reads_it(json: Any, value: object) -> None:
    assert repr(SUPERJSON.decode({"json": json})) == repr(value)


@pytest.mark.parametrize(
    ("key", "path", "v"),
    [
        ("a.b", "a\\.b", 1),
        ("a\\b", "a\\\\b", 1),
        ("a\\.b", "a\\\\\\.b", 1),
        ("", "", 1),
        (".", "\\.", 1),
        ("a\\b", "a\\b", None),
        ("a.b", "a\\.b", 0),
        ("a\\.b", "a\\\\.b", 0.5),
        ("a\\", "a\\", False),
        ("a\\b", "a\\\\b", "1"),
    ],
)
def test_paths_are_escaped_by_version(key: str, path: str, v: Any) -> None:
    assert decoded({key: "5"}, {path: ["bigint"]}, v=v) == {key: BigInt(5)}


@pytest.mark.parametrize("path", ["a\\b", "a\\", "\\n.x"])
def test_a_path_with_a_lonely_backslash_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"^invalid path$"):
        decoded({}, {path: ["Date"]})


@pytest.mark.parametrize(
    "values",
    [
        {"a.b.c": ["Date"], "a.b.d": ["bigint"]},
        {"a": {"b": {"c": ["Date"], "d": ["bigint"]}}},
        {"a.b": {"c": ["Date"]}, "a": {"b.d": ["bigint"]}},
    ],
)
def test_annotations_may_be_nested_or_flat(values: Any) -> None:
    assert decoded({"a": {"b": {"c": NOON_TEXT, "d": "1"}}}, values) == {
        "a": {"b": {"c": NOON, "d": BigInt(1)}}
    }


def test_what_is_inside_is_made_before_what_it_is_in() -> None:
    annotation = ["map", {"0.0": ["Date"], "0.1": ["set", {"0": ["Error", {"cause": ["undefined"]}]}]}]
    error = {"name": "E", "message": "m", "cause": None}
    [(key, elements)] = decoded([[NOON_TEXT, [error]]], annotation).items()
    assert (key, elements) == (NOON, JSSet([JSError("E", "m", UNSET)]))


def test_annotations_inside_may_be_an_array() -> None:
    assert decoded(["1", NOON_TEXT], ["set", [["bigint"], ["Date"]]]) == JSSet([BigInt(1), NOON])


def test_annotations_may_follow_those_of_what_they_are_in() -> None:
    values = {"m": ["map"], "m.0.1": ["bigint"], "s": ["set"], "s.1": ["Date"], "m.0.0": ["bigint"]}
    value = decoded({"m": [["1", "2"]], "s": [0, NOON_TEXT]}, values)
    assert value == {"m": JSMap([[BigInt(1), BigInt(2)]]), "s": JSSet([0, NOON])}
    assert value["m"][BigInt(1)] == 2


def test_an_annotation_outside_the_value_changes_nothing_or_adds_a_key() -> None:
    assert decoded({"x": 1}, {"y.z": ["Date"], "x.z": ["Date"], "x.y.z": ["Date"]}) == {"x": 1}
    assert decoded({"x": 1}, {"y": ["undefined"]}) == {"x": 1, "y": UNSET}
    assert decoded([0], {"1": ["undefined"], "k": ["undefined"], "9.9": ["undefined"]}) == [0, UNSET]
    assert decoded(5, {"a": ["Date"]}) == 5


@pytest.mark.parametrize(
    ("json", "annotation", "message"),
    [
        ("x", "bigint", "Cannot convert x to a BigInt"),
        (1.5, "bigint", "Cannot convert 1.5 to a BigInt"),
        (None, "bigint", "Cannot convert null to a BigInt"),
        ({}, "bigint", r"Cannot convert \[object Object\] to a BigInt"),
        ("1" * 4301, "bigint", "A BigInt of more than 4300 digits is too long"),
        ("x", "regexp", "Invalid regular expression: x"),
        ("/x/q", "regexp", "Invalid flags supplied to RegExp constructor 'q'"),
        ("/x/gg", "regexp", "Invalid flags"),
        ("/x/uv", "regexp", "Invalid flags"),
        (5, "regexp", "Cannot make a RegExp of 5"),
        ("x", "URL", "Invalid URL"),
        ("http://", "URL", "Invalid URL"),
        (5, "URL", "Invalid URL"),
        (5, "map", "Cannot make a Map of 5"),
        ([5], "map", "Iterator value 5 is not an entry object"),
        (True, "set", "Cannot make a Set of true"),
        ("text", "Error", "Cannot make an Error of text"),
        ([], "Error", "Cannot make an Error of"),
        (UNSET, "bigint", "Cannot convert undefined to a BigInt"),
        (1, "unheard-of", "Unknown transformation: unheard-of"),
        (1, None, "Unknown transformation: null"),
        (1, ["a", 5], "Unknown transformation: a,…"),
        (1, [5], "Unknown transformation: …"),
        (1, {}, r"Unknown transformation: \[object Object\]"),
        ([], ["typed-array", "BigInt64Array"], "Trying to deserialize unknown typed array"),
        ([], ["typed-array"], "Trying to deserialize unknown typed array"),
        (10**9, ["typed-array", "Uint8Array"], "Cannot make a Uint8Array of 1000000000"),
        ({}, ["class", "Nope"], "Trying to deserialize unknown class 'Nope' - check https://"),
        ({}, ["custom", "Nope"], "Trying to deserialize unknown custom value"),
        ({}, ["symbol", "Nope"], "Trying to deserialize unknown symbol"),
    ],
)
def test_what_cannot_be_is_refused(json: Any, annotation: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        decoded(json, [annotation])


@pytest.mark.parametrize(
    ("values", "references", "name"),
    [
        ({"__proto__.x": ["undefined"]}, None, "__proto__"),
        ({"constructor.prototype.x": ["undefined"]}, None, "prototype"),
        ({"constructor": {"x": ["undefined"]}}, None, "constructor"),
        ({"constructor": {"x": {"__proto__": ["undefined"]}}}, None, "__proto__"),
        (["map", {"0.0.prototype": ["undefined"]}], None, "prototype"),
        (None, {"x": ["__proto__.y"]}, "__proto__"),
        (None, {"constructor": ["x"]}, "constructor"),
        (None, [["prototype"]], "prototype"),
    ],
)
def test_paths_to_prototypes_are_refused(values: Any, references: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} is not allowed as a property$"):
        decoded({"x": {}}, values, references)


# ---------- references


def test_the_same_value_is_one_object() -> None:
    value = decoded({"a": {"x": 1}, "b": None, "c": [None]}, None, {"a": ["b", "c.0"]})
    assert value == {"a": {"x": 1}, "b": {"x": 1}, "c": [{"x": 1}]}
    assert value["a"] is value["b"] is value["c"][0]


def test_references_reach_into_sets_maps_and_errors() -> None:
    json: Any = {"s": [{}], "m": [[{}, {}]], "e": {"name": "E", "message": "m", "cause": {}}}
    values = {"s": ["set"], "m": ["map"], "e": ["Error"]}
    value = decoded(json, values, {"s.0": ["m.0.0", "m.0.1", "e.cause"]})
    shared = value["s"][0]
    [(key, item)] = value["m"].items()
    assert key is item is value["e"].cause is shared
    assert value["m"][shared] is shared


def test_a_reference_can_begin_in_sets_maps_and_errors() -> None:
    json = {
        "m": [["k", {"x": 1}]],
        "e": {"name": "E", "message": "m", "cause": {}},
        "a": None,
        "b": None,
        "c": 0,
    }
    value = decoded(json, {"m": ["map"], "e": ["Error"]}, {"m.0.1": ["a"], "e.cause": ["b"], "m.0": ["c"]})
    assert value["a"] is value["c"] is value["m"]["k"]
    assert value["b"] is value["e"].cause


def test_equal_keys_of_a_map_are_one_only_after_references_are_followed() -> None:
    value = decoded([[None, 1], [None, 2], [{}, 3]], ["map"], [["0.0"]])
    assert isinstance(value, Circular)
    assert list(value.value.values()) == [1, 2, 3]
    assert next(iter(value.value)) is value.value


def test_a_value_that_contains_itself_is_set_apart() -> None:
    value = decoded({"q": {"p": None, "z": None}}, None, [["q.p"], {"q": ["q.z"]}])
    assert isinstance(value, Circular)
    assert value.value["q"]["p"] is value.value
    assert value.value["q"]["z"] is value.value["q"]


def test_a_value_from_nowhere_is_undefined() -> None:
    assert decoded({"a": 1, "b": 2}, None, {"nothing": ["a"]}) == {"a": UNSET, "b": 2}
    error = {"name": "E", "message": "m"}
    value = decoded({"e": error, "a": 1, "d": 0}, {"e": ["Error"]}, {"e.message": ["a"], "e.stack": ["d"]})
    assert (value["a"], value["d"]) == ("m", UNSET)


@pytest.mark.parametrize(
    ("references", "message"),
    [
        ({"a.b.c": ["a"]}, "Cannot read the property c of nothing"),
        ({"n.b": ["a"]}, "Cannot read the property b of nothing"),
        ({"a": "b"}, "The paths of a reference are an array of strings"),
        ({"a": [5]}, "The paths of a reference are an array of strings"),
        ([{}], "The paths of a reference are an array of strings"),
        ("text", "Annotations are objects and arrays, not 'text'"),
        ({"s.1": ["a"]}, "index out of bounds"),
        ({"a": ["s.1"]}, "index out of bounds"),
        ({"a": ["s.x"]}, "index out of bounds"),
        ({"a": ["m.0.1"]}, "index out of bounds"),
        ({"a": ["m.0"]}, "0 is not a key or a value of a Map"),
        ({"a": ["l.2"]}, "Position 2 is beyond the end of an array of 0"),
    ],
)
def test_references_that_make_no_sense_are_refused(references: Any, message: str) -> None:
    json: dict[str, Any] = {"a": {}, "n": None, "s": [1], "m": [], "l": []}
    with pytest.raises(ValueError, match=f"^{message}$"):
        decoded(json, {"s": ["set"], "m": ["map"]}, references)


def test_an_annotation_must_not_be_a_text() -> None:
    with pytest.raises(ValueError, match=r"^Annotations are objects and arrays, not 'Date'$"):
        decoded({"a": NOON_TEXT}, {"a": "Date"})


# ---------- as the types of a procedure


class Note(msgspec.Struct, rename="camel"):
    title: str
    seen_at: datetime | None = None
    count: int | UnsetType = UNSET


@pytest.mark.parametrize(
    ("json", "annotation", "expected", "value"),
    [
        (NOON_TEXT, ["Date"], datetime, NOON),
        (NOON_TEXT, None, datetime, NOON),
        ("9007199254740993", ["bigint"], int, 2**53 + 1),
        ("12", ["bigint"], float, 12.0),
        ([1, 2], ["set"], set[int], {1, 2}),
        ([1, 2], ["set"], frozenset[int], frozenset({1, 2})),
        ([1, 2], ["set"], list[int], [1, 2]),
        ([[1, "a"]], ["map"], dict[int, str], {1: "a"}),
        ([["a", NOON_TEXT]], ["map", {"0.1": ["Date"]}], dict[str, datetime], {"a": NOON}),
        ([1, 2], [["typed-array", "Uint8Array"]], bytes, b"\1\2"),
        ("AQI=", None, bytes, b"\1\2"),
        ([1.5], [["typed-array", "Float64Array"]], list[float], [1.5]),
        ("Infinity", ["number"], float, math.inf),
        ("https://x.y/", ["URL"], str, "https://x.y/"),
        ({"title": "t", "seenAt": NOON_TEXT}, {"seenAt": ["Date"]}, Note, Note("t", NOON)),
        (
            {"title": "t", "seenAt": None, "count": None},
            {"seenAt": ["undefined"], "count": ["undefined"]},
            Note,
            Note("t"),
        ),
        ([{"title": "t", "count": None}], {"0.count": ["undefined"]}, list[Note], [Note("t")]),
        (
            [["k", {"title": "t", "count": None}]],
            ["map", {"0.1.count": ["undefined"]}],
            dict[str, Note],
            {"k": Note("t")},
        ),
    ],
)
def test_a_value_converts_to_the_type_of_a_procedure(
    json: Any, annotation: Any, expected: Any, value: object
) -> None:
    converted = msgspec.convert(without_undefined(decoded(json, annotation)), expected, str_keys=True)
    assert converted == value


@pytest.mark.parametrize(
    ("json", "annotation", "field", "value"),
    [
        (NOON_TEXT, ["Date"], datetime, NOON),
        (NOON_TEXT, None, datetime, NOON),
        ("12", ["bigint"], int, 12),
        ([1], ["set"], set[int], {1}),
        ([[1, "a"]], ["map"], dict[int, str], {1: "a"}),
        ([1], [["typed-array", "Uint8Array"]], bytes, b"\1"),
        ("https://x.y/", ["URL"], str, "https://x.y/"),
        (None, ["undefined"], Any, UNSET),
    ],
)
def test_a_procedure_gets_the_type_that_it_asks_for(
    json: Any, annotation: Any, field: Any, value: object
) -> None:
    async def procedure(at: Any) -> None: ...

    procedure.__annotations__["at"] = field
    taken = declare("query", procedure, middleware=(), meta={}, timeout=None).input
    payload = decoded({"at": json}, None if annotation is None else {"at": annotation})
    assert taken.bind(payload) == {"at": value}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"json": "never", "meta": {"values": ["Date"]}}, datetime),
        ({"json": [1], "meta": {"values": {"0": ["undefined"]}}}, list[int]),
        ({"json": [{}], "meta": {"referentialEqualities": [["0.a"]]}}, list[dict[str, Any]]),
    ],
)
def test_what_a_type_does_not_know_does_not_convert(payload: Any, expected: Any) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"got `(JSDate|msgspec.UnsetType|Circular)`"):
        msgspec.convert(without_undefined(SUPERJSON.decode(payload)), expected)
