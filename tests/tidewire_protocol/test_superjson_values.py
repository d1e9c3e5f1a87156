"""The values that JavaScript has and Python has not."""

import math
import re

import pytest
from msgspec import UNSET

from tidewire_protocol.superjson import (
    URL,
    BigInt,
    JSDate,
    JSError,
    JSMap,
    JSSet,
    RegExp,
    TypedArray,
    without_undefined,
)


def test_a_map_tells_keys_apart_as_javascript_does() -> None:
    keys = [1, "1", True, BigInt(1), None, UNSET, math.nan, URL("data:"), "data:"]
    value = JSMap((key, number) for number, key in enumerate(keys))
    assert list(value) == keys
    assert [value[key] for key in keys] == list(range(len(keys)))
    assert value[1.0] == value[1] == 0
    assert value[float("nan")] == 6


def test_a_map_finds_an_object_by_itself_only() -> None:
    key: list[int] = []
    value = JSMap([(key, 1)])
    assert value[key] == 1
    assert [] not in value


def test_a_map_can_be_changed() -> None:
    value = JSMap([("a", 1), ("b", 2), ("a", 3)])
    assert list(value.items()) == [("a", 3), ("b", 2)]
    value["c"] = 4
    del value["a"]
    assert value == JSMap([("b", 2), ("c", 4)])
    assert len(value) == 2
    assert repr(value) == "JSMap([['b', 2], ['c', 4]])"
    missing: object
    for missing in ("a", []):
        with pytest.raises(KeyError):
            value[missing]
        with pytest.raises(KeyError):
            del value[missing]


def test_a_map_is_no_dict_and_equals_none() -> None:
    assert JSMap([("a", 1)]) != {"a": 1}
    assert JSMap([("a", 1), ("b", 2)]) != JSMap([("b", 2), ("a", 1)])
    with pytest.raises(TypeError, match=r"unhashable"):
        hash(JSMap())


def test_zero_has_no_sign_as_a_key_or_an_element() -> None:
    assert [math.copysign(1, key) for key in JSMap([(-0.0, 1)])] == [1]
    elements = JSSet([-0.0, 0, 1])
    elements.settle()
    assert repr(elements) == "JSSet([0, 1])"


@pytest.mark.parametrize(
    "text",
    [
        "https://x.y",
        "http:x",
        "http:///x",
        "HTTPS://[::1]:80/?q#h",
        "mailto:a@b",
        "data:,",
        "foo:",
        "x:y z",
        "file:///",
    ],
)
def test_a_url_is_a_text_with_a_scheme(text: str) -> None:
    assert URL(text) == text


@pytest.mark.parametrize(
    "text", ["", "x", "//x", "http:", "http://", "https://?q", "wss:///", "1a:b", "http:// "]
)
def test_what_javascript_takes_for_no_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^Invalid URL$"):
        URL(text)


def test_a_regexp_can_become_a_pattern() -> None:
    assert RegExp("a.b", "gims").compile() == re.compile("a.b", re.I | re.M | re.S)
    with pytest.raises(re.error):
        RegExp("(?<n>x)").compile()


def test_an_error_can_be_raised_and_compared() -> None:
    error = JSError("TypeError", "boom", {"code": 1})
    with pytest.raises(JSError, match=r"^boom$"):
        raise error
    assert error == JSError("TypeError", "boom", {"code": 1})
    assert hash(error) == hash(JSError("TypeError", "boom"))
    assert error != JSError("TypeError", "boom")
    assert error != ValueError("boom")
    assert repr(error) == "JSError('TypeError', 'boom', {'code': 1})"


def test_a_typed_array_shows_its_kind() -> None:
    assert repr(TypedArray("Int8Array", [1])) == "TypedArray('Int8Array', [1])"


def test_a_date_may_be_invalid() -> None:
    assert JSDate(8.64e15).is_valid
    assert not JSDate(math.nan).is_valid


def test_undefined_properties_are_absent_and_nothing_else_is() -> None:
    value = {
        "a": UNSET,
        "b": [UNSET, {"c": UNSET, "d": None}],
        "m": JSMap([("k", UNSET), ("l", {"x": UNSET})]),
    }
    assert without_undefined(value) == {
        "b": [UNSET, {"d": None}],
        "m": JSMap([("k", UNSET), ("l", {})]),
    }
    assert without_undefined(JSSet([{"a": UNSET}])) == JSSet([{}])
    assert value["a"] is UNSET
