"""The lines of a streamed batch, and what they announce."""

from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from tests.tidewire_protocol.documents import documents
from tidewire_protocol.jsonl import (
    FAILED,
    FULFILLED,
    PING,
    REJECTED,
    RETURNED,
    YIELDED,
    Announce,
    ChunkKind,
    error_line,
    head,
    line,
    returned_line,
)


class Later:
    """A value that is still to come."""

    def __init__(self, kind: ChunkKind) -> None:
        self.kind = kind


PROMISE = Later(ChunkKind.PROMISE)
ITERABLE = Later(ChunkKind.ITERABLE)


def announce_from(first: int) -> Announce:
    """Number what is still to come from `first` on."""
    numbers = count(first)
    return lambda value: (value.kind, next(numbers)) if isinstance(value, Later) else None


def test_the_head_announces_a_promise_for_each_call() -> None:
    assert head([0, 3]) == {"0": [[0], [None, 0, 0]], "1": [[0], [None, 0, 3]]}
    assert head([]) == {}


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (1, [[1]]),
        (None, [[None]]),
        (UNSET, [[]]),
        ("x", [["x"]]),
        ([], [[[]]]),
        ({}, [[{}]]),
        ({"a": 1}, [[{"a": 1}]]),
        (PROMISE, [[0], [None, 0, 5]]),
        (ITERABLE, [[0], [None, 1, 5]]),
        ({"a": PROMISE}, [[{"a": 0}], ["a", 0, 5]]),
        (
            {"a": PROMISE, "b": 1, "c": ITERABLE, "d": PROMISE},
            [[{"a": 0, "b": 1, "c": 0, "d": 0}], ["a", 0, 5], ["c", 1, 6], ["d", 0, 7]],
        ),
        ({"a": UNSET}, [[{"a": UNSET}]]),
        ({"": PROMISE}, [[{"": 0}], ["", 0, 5]]),
    ],
)
def test_what_is_still_to_come_is_announced_and_zero_is_in_its_place(value: Any, encoded: list[Any]) -> None:
    assert line(4, FULFILLED, value, announce_from(5)) == [4, 0, encoded]


def test_a_value_is_not_changed_by_what_it_announces() -> None:
    value = {"a": PROMISE, "b": 1}
    line(0, YIELDED, value, announce_from(1))
    assert value == {"a": PROMISE, "b": 1}


def test_only_the_members_of_an_object_are_looked_at() -> None:
    deep: dict[str, Any] = {"a": {"b": PROMISE}, "c": [PROMISE]}
    assert line(0, YIELDED, deep, announce_from(1)) == [0, 1, [[deep]]]
    assert line(0, YIELDED, [PROMISE], announce_from(1)) == [0, 1, [[[PROMISE]]]]


def test_an_iterable_returns_without_a_value() -> None:
    assert returned_line(7) == [7, RETURNED, [[]]]


@pytest.mark.parametrize("status", [REJECTED, FAILED])
def test_a_failure_carries_the_shape_of_the_error(status: int) -> None:
    assert error_line(3, status, {"message": "no"}) == [3, status, {"message": "no"}]


def test_the_numbers_are_those_of_the_wire() -> None:
    assert (FULFILLED, REJECTED) == (0, 1)
    assert (RETURNED, YIELDED, FAILED) == (0, 1, 2)
    assert [kind.value for kind in ChunkKind] == [0, 1]


def test_a_ping_is_white_space_that_begins_the_next_line() -> None:
    assert PING.strip() == b""
    assert b"\n" not in PING


@given(st.dictionaries(st.text(max_size=4), documents(surrogates=False) | st.just(PROMISE), max_size=6))
def test_every_promise_is_announced_once_under_its_key(value: dict[str, Any]) -> None:
    _, _, [[plain], *announced] = line(0, FULFILLED, value, announce_from(1))
    awaited = [key for key, item in value.items() if item is PROMISE]
    assert announced == [[key, 0, number] for number, key in enumerate(awaited, 1)]
    assert plain == {key: 0 if item is PROMISE else item for key, item in value.items()}
