"""Payloads that are made to hurt cost no more than others of their size."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from tidewire_protocol.json_text import MAX_DEPTH, JSONSyntaxError, dumps, loads
from tidewire_protocol.superjson import SUPERJSON

Payload = dict[str, Any]


def payload(json: Any, values: Any = None, references: Any = None) -> Payload:
    return {"json": json, "meta": {"values": values, "referentialEqualities": references, "v": 1}}


def echo(document: Payload) -> bytes:
    return SUPERJSON.encode(SUPERJSON.decode(document))


def calls_of(work: Callable[[], object]) -> int:
    """Count the calls of functions, whether of Python or of C, that `work` makes."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls


def elements(n: int) -> Payload:
    return payload([str(i) for i in range(n)], ["set", {str(i): ["bigint"] for i in range(n)}])


def references_into_a_set(n: int) -> Payload:
    json: Any = {"s": [{} for _ in range(n)], "o": [{} for _ in range(n)]}
    return payload(json, {"s": ["set"]}, {f"o.{i}": [f"s.{i}"] for i in range(n)})


def references_into_a_map(n: int) -> Payload:
    json: Any = {"m": [[{}, {}] for _ in range(n)], "o": [{} for _ in range(n)]}
    return payload(json, {"m": ["map"]}, {f"o.{i}": [f"m.{i}.0", f"m.{i}.1"] for i in range(n)})


def annotations_of_a_map_that_is_one(n: int) -> Payload:
    return payload(
        {"m": [[i, "1"] for i in range(n)]}, {"m": ["map"]} | {f"m.{i}.1": ["bigint"] for i in range(n)}
    )


def references_to_the_whole(n: int) -> Payload:
    return payload([None] * n, None, [[str(i) for i in range(n)]])


def references_to_one(n: int) -> Payload:
    return payload([{} for _ in range(n)], None, {"0": [str(i) for i in range(1, n)]})


def chain(n: int) -> Payload:
    return payload([{"next": None} for _ in range(n)], None, {f"{i}": [f"{i - 1}.next"] for i in range(1, n)})


def nested_json(n: int) -> Payload:
    return payload(nested(n, []))


def nested_annotations(n: int) -> Payload:
    values: Any = ["Date"]
    for _ in range(n):
        values = {"0": values}
    return payload(nested(n, "2024-02-29"), values)


def nested_maps(n: int) -> Payload:
    json: Any = "1"
    values: Any = ["bigint"]
    for _ in range(n):
        json, values = [[0, json]], ["map", {"0.1": values}]
    return payload(json, values)


def long_path(n: int) -> Payload:
    return payload({}, {"a." * n: ["Date"]})


def escaped_path(n: int) -> Payload:
    return payload({}, {"\\\\" * n: ["Date"]})


def forbidden_late(n: int) -> Payload:
    return payload({}, {"x": {"a." * n + "y": {str(i): {} for i in range(n)}}})


def nested(depth: int, inner: Any) -> Any:
    for _ in range(depth):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    "make",
    [
        elements,
        references_into_a_set,
        references_into_a_map,
        annotations_of_a_map_that_is_one,
        references_to_the_whole,
        references_to_one,
        nested_json,
        nested_annotations,
        nested_maps,
        long_path,
        escaped_path,
        forbidden_late,
    ],
)
def test_twice_as_much_is_twice_the_work(make: Callable[[int], Payload]) -> None:
    # Above a thousand levels JSON is written in another way, so both are.
    once, twice = make(1100), make(2200)
    sizes = [len(dumps(document)) for document in (once, twice)]
    assert (
        calls_of(lambda: echo(twice)) < 2.2 * calls_of(lambda: echo(once)) * sizes[1] / (2 * sizes[0]) + 500
    )


def doubling(n: int) -> Payload:
    json = {f"k{i}": [1, 1] for i in range(n)}
    return payload(json, None, {f"k{i}": [f"k{i + 1}.0", f"k{i + 1}.1"] for i in range(n - 1)})


def product(n: int) -> Payload:
    places = range(n)
    references = {"a": [f"b.{i}" for i in places], "b": [f"c.{i}" for i in places]}
    return payload({"a": [1] * n, "b": [1] * n, "c": [1] * n}, None, references)


def long_texts(n: int) -> Payload:
    return payload({"a": {"text": "x" * 10 * n}, "b": [1] * n}, None, {"a": [f"b.{i}" for i in range(n)]})


def long_bytes(n: int) -> Payload:
    return payload(
        {"a": {"b": [0] * n}, "c": [1] * n},
        {"a.b": [["typed-array", "Uint8Array"]]},
        {"a": [f"c.{i}" for i in range(n)]},
    )


def long_integers(n: int) -> Payload:
    json = {"a": {"b": "9" * min(n, 4300)}, "c": [1] * n * 3}
    return payload(json, {"a.b": ["bigint"]}, {"a": [f"c.{i}" for i in range(n * 3)]})


def long_keys(n: int) -> Payload:
    return payload({"a": {"k" * n * 10: 1}, "c": [1] * n}, None, {"a": [f"c.{i}" for i in range(n)]})


def long_paths_to_dates(n: int) -> Payload:
    json = {"a": [{"k" * n * 10: ["2024-02-29"]}], "c": [1] * n}
    return payload(json, {"a.0." + "k" * n * 10 + ".0": ["Date"]}, {"a.0": [f"c.{i}" for i in range(n)]})


def long_paths_of_references(n: int) -> Payload:
    deep = ".".join("0" * n)
    json = {"d": nested(n, None), "a": [{} for _ in range(n)]}
    return payload(json, None, {"a": [f"d.{deep}"], "a.0": [f"a.{i}" for i in range(1, n)]})


def long_trees(n: int) -> Payload:
    values: Any = {str(i): ["Date"] for i in range(n)}
    for _ in range(n):
        values = {"0": values}
    return payload(nested(n, ["2024-02-29"] * n), values)


@pytest.mark.parametrize(
    "make",
    [
        chain,
        doubling,
        product,
        long_texts,
        long_bytes,
        long_integers,
        long_keys,
        long_paths_to_dates,
        long_paths_of_references,
        long_trees,
    ],
)
def test_a_payload_that_stands_for_far_more_is_refused(make: Callable[[int], Payload]) -> None:
    with pytest.raises(ValueError, match=r"^The payload repeats too much of itself$"):
        SUPERJSON.decode(make(1500))
    assert len(echo(make(3))) < 1000


def test_what_is_repeated_in_the_payload_may_be_repeated_in_the_value() -> None:
    row = {"name": "n" * 200, "at": "2024-02-29T12:34:56.789Z"}
    document = payload(
        [dict(row) for _ in range(20_000)],
        {f"{i}.at": ["Date"] for i in range(20_000)},
        {"0": [str(i) for i in range(1, 20_000)]},
    )
    before = len(dumps(document))
    assert before > 4 << 20
    assert len(echo(document)) < 1.01 * before


def test_nesting_is_bounded_by_the_reader() -> None:
    depth = 100_000
    for text in (
        '{"json":' + "[" * depth + "]" * depth + "}",
        '{"json":1,"meta":{"values":' + '{"a":' * depth + "1" + "}" * depth + "}}",
    ):
        with pytest.raises(JSONSyntaxError, match=r"^Nested (deeper than \d+ levels|too deeply )"):
            loads(text)


@pytest.mark.parametrize("make", [nested_json, nested_annotations])
def test_the_deepest_payload_is_taken(make: Callable[[int], Payload]) -> None:
    assert echo(make(MAX_DEPTH - 10)).startswith(b'{"json":[[[[')


@pytest.mark.parametrize("index", ["2", "4294967294"])
def test_an_annotation_does_not_make_an_array_longer_than_by_one(index: str) -> None:
    with pytest.raises(ValueError, match=f"^Position {index} is beyond the end of an array of 1$"):
        SUPERJSON.decode(payload([0], {index: ["undefined"]}))


@pytest.mark.parametrize("key", ["4294967295", "99999999999", "1.5", "-1", "1e3", "²"])
def test_what_is_no_position_is_no_part_of_an_array(key: str) -> None:
    path = key.replace(".", "\\.")
    assert SUPERJSON.decode(payload([0], {path: ["undefined"], f"{path}.x": ["Date"]})) == [0]
