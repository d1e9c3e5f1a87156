"""Pieces of tool calls in every form that servers send them in."""

from typing import Any

import msgspec
import pytest

from tests.tidewire.chat.providers.reading import read_all
from tidewire.chat.providers import ProviderError, ToolCallArguments, ToolCallBegin
from tidewire.chat.providers.chunks import ToolCallPiece
from tidewire.chat.providers.tool_calls import MAX_ARGUMENTS, MAX_CALLS, ToolCalls

Deltas = list[ToolCallBegin | ToolCallArguments]


def piece(name: Any = None, arguments: Any = None, **fields: Any) -> ToolCallPiece:
    return msgspec.convert(
        {**fields, "function": {"name": name, "arguments": arguments}},
        ToolCallPiece,
    )


def normalised(*pieces: ToolCallPiece) -> Deltas:
    """The deltas of pieces that come one in a chunk."""
    calls = ToolCalls()
    return [*(delta for each in pieces for delta in calls.take([each])), *calls.end()]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param(
            [
                piece("f", "", index=0, id="a"),
                piece(None, '{"x"', index=0),
                piece(None, ":1}", index=0),
                piece("g", "", index=1, id="b"),
                piece(None, "{}", index=1),
            ],
            [("a", "f", '{"x":1}'), ("b", "g", "{}")],
            id="as OpenAI sends them",
        ),
        pytest.param(
            [
                piece("f", "", index=0, id="a"),
                piece("g", "", index=1, id="b"),
                piece(None, "[1", index=0),
                piece(None, "[2", index=1),
                piece(None, "]", index=0),
                piece(None, "]", index=1),
            ],
            [("a", "f", "[1]"), ("b", "g", "[2]")],
            id="interleaved",
        ),
        pytest.param(
            [piece("f", "{}", id="a"), piece("g", "[]", id="b"), piece("f", "{}", id="c")],
            [("a", "f", "{}"), ("b", "g", "[]"), ("c", "f", "{}")],
            id="whole, no index",
        ),
        pytest.param(
            [piece("f", "", id="a"), piece(None, "{", id="a"), piece(None, "}")],
            [("a", "f", "{}")],
            id="pieces, no index",
        ),
        pytest.param(
            [piece("f", "", id="a"), piece(None, "{}", index=0)],
            [("a", "f", "{}")],
            id="index only later",
        ),
        pytest.param(
            [piece("f", "{}", index=0, id="a"), piece("g", "{}", index=0, id="b")],
            [("a", "f", "{}"), ("b", "g", "{}")],
            id="index 0 for every call, other ids",
        ),
        pytest.param(
            [
                piece("f", "", index=0, id="a"),
                piece("g", "", index=0, id="b"),
                piece(None, "[1]", index=0, id="a"),
                piece(None, "[2]", index=0, id="b"),
            ],
            [("a", "f", "[1]"), ("b", "g", "[2]")],
            id="index 0 for every call, interleaved",
        ),
        pytest.param(
            [
                piece("f", "{", index=0, id="a"),
                piece("f", '"x":1', index=0, id="a"),
                piece("f", "}", index=0),
            ],
            [("a", "f", '{"x":1}')],
            id="id and name in every piece",
        ),
        pytest.param(
            [piece("f", "{", index=0, id="a"), piece("", "}", index=0, id="")],
            [("a", "f", "{}")],
            id="empty id and name after the first",
        ),
        pytest.param(
            [piece("f", "{", index=0, id="a"), piece(None, "}", index=0, id="b")],
            [("a", "f", "{}")],
            id="a new id with every piece",
        ),
        pytest.param(
            [piece("f", {"x": [1, "é"]}, index=0, id="a")],
            [("a", "f", '{"x":[1,"é"]}')],
            id="arguments as an object",
        ),
        pytest.param(
            [piece("f", None, index=0, id="a"), piece(None, None, index=0)],
            [("a", "f", "")],
            id="null arguments",
        ),
        pytest.param(
            [piece("f", "{}", index="0", id="a"), piece("g", "{}", index="1", id="b")],
            [("a", "f", "{}"), ("b", "g", "{}")],
            id="index as a string",
        ),
        pytest.param(
            [piece("f", "{}", index=3, id="a"), piece("g", "{}", index=7, id="b")],
            [("a", "f", "{}"), ("b", "g", "{}")],
            id="gaps between indexes",
        ),
        pytest.param(
            [piece(None, "{", index=0, id="a"), piece("f", None, index=0), piece(None, "}", index=0)],
            [("a", "f", "{}")],
            id="name after the first arguments",
        ),
        pytest.param(
            [piece(None, '{"x":1}', index=0, id="a"), piece("g", "{}", index=0, id="b")],
            [("a", "", '{"x":1}'), ("b", "g", "{}")],
            id="a call without a name",
        ),
        pytest.param(
            [msgspec.convert({"index": 0, "id": "a"}, ToolCallPiece), piece("f", "{}", index=0)],
            [("a", "f", "{}")],
            id="no function in the first piece",
        ),
    ],
)
def test_pieces_become_these_calls(pieces: list[ToolCallPiece], expected: list[tuple[str, str, str]]) -> None:
    assert read_all(normalised(*pieces)).calls == expected


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([piece("f", "[1]", index=0), piece("g", "[2]", index=1)], id="no id"),
        pytest.param([piece("f", "[1]", index=0), piece("g", "[2]", index=0)], id="no id, index 0"),
        pytest.param([piece("f", "[1]"), piece("g", "[2]")], id="no id, no index"),
        pytest.param([piece("f", "[1]", id=""), piece("g", "[2]", id="")], id="empty id"),
        pytest.param([piece("f", "[1]", index=0, id="a"), piece("g", "[2]", index=1, id="a")], id="same id"),
        pytest.param([piece("f", "[1]", id="a"), piece("g", "[2]", id="a")], id="same id, no index"),
        pytest.param(
            [
                piece("f", "", index=0),
                piece("f", "[1", index=0),
                piece(None, "]", index=0),
                piece("g", "[2]"),
            ],
            id="name twice, then the next call",
        ),
    ],
)
def test_calls_that_cannot_be_told_apart_by_id_get_ids_of_their_own(pieces: list[ToolCallPiece]) -> None:
    calls = read_all(normalised(*pieces)).calls
    assert [call[1:] for call in calls] == [("f", "[1]"), ("g", "[2]")]
    assert len({call_id for call_id, _, _ in calls} - {""}) == 2


def test_two_whole_calls_of_one_tool_without_ids_stay_two() -> None:
    calls = read_all(normalised(piece("f", "[1]", index=0, id=""), piece("f", "[2]", index=0, id=""))).calls
    assert [call[1:] for call in calls] == [("f", "[1]"), ("f", "[2]")]


def test_a_call_begins_as_soon_as_its_name_is_known() -> None:
    assert list(ToolCalls().take([piece("f", "", index=0, id="a")])) == [ToolCallBegin(0, "a", "f")]


def test_made_up_ids_differ_between_answers() -> None:
    first, second = (read_all(normalised(piece("f", "{}"))).calls for _ in range(2))
    assert first[0][0] != second[0][0]


def test_calls_that_never_end_are_refused_before_they_fill_the_memory() -> None:
    pieces = [piece(None, "x" * (MAX_ARGUMENTS // 4), index=0)] * 4
    assert normalised(*pieces)[-1] == ToolCallArguments(0, "x" * MAX_ARGUMENTS)
    with pytest.raises(ProviderError, match="too large"):
        normalised(*pieces, piece(None, "x", index=0))


def test_too_many_calls_are_refused() -> None:
    pieces = [piece("f", "{}", index=number, id=f"call {number}") for number in range(MAX_CALLS)]
    assert len(normalised(*pieces)) == 2 * MAX_CALLS
    with pytest.raises(ProviderError, match="too large"):
        normalised(*pieces, piece("f", "{}", index=MAX_CALLS, id="one more"))
