"""Folding: whatever the events say, in the order in which they say it."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewire.chat.events import (
    Complete,
    MessageEvent,
    ReasoningDelta,
    RefusalDelta,
    Start,
    TextDelta,
    Title,
    ToolCallComplete,
    ToolCallDelta,
    ToolCallStart,
    UsageReport,
)
from tidewire.chat.fold import TOOL_CUT_OFF, Fold
from tidewire.chat.models import Part, ReasoningPart, RefusalPart, TextPart, ToolCallPart


def folded(*events: MessageEvent) -> Fold:
    fold = Fold()
    for event in events:
        fold.apply(event)
    return fold


def begin(call_id: str, name: str = "f", index: int = 0) -> ToolCallStart:
    return ToolCallStart(tool_call_id=call_id, tool_name=name, index=index)


def arguments(call_id: str, piece: str) -> ToolCallDelta:
    return ToolCallDelta(tool_call_id=call_id, args_delta=piece)


def complete(call_id: str, result: Any = 1, *, args: Any = None, is_error: bool = False) -> ToolCallComplete:
    return ToolCallComplete(
        tool_call_id=call_id, tool_name="f", args=args, result=result, is_error=is_error, duration_ms=3
    )


def test_text_continues_text_of_the_same_kind_only() -> None:
    fold = folded(
        ReasoningDelta(content="hm"),
        ReasoningDelta(content="m"),
        TextDelta(content="a "),
        TextDelta(content="b"),
        RefusalDelta(content="no"),
        TextDelta(content="c"),
    )
    assert fold.parts == [
        ReasoningPart(content="hmm"),
        TextPart(content="a b"),
        RefusalPart(content="no"),
        TextPart(content="c"),
    ]
    assert fold.content == "a bc"


def test_a_tool_call_stands_where_it_began_and_splits_the_text() -> None:
    fold = folded(
        TextDelta(content="a"),
        begin("1"),
        begin("2", "g", 1),
        complete("2", "two", is_error=True),
        complete("1", {"n": 1}, args={"x": 1}),
        TextDelta(content="b"),
    )
    assert fold.parts == [
        TextPart(content="a"),
        ToolCallPart(
            tool_call_id="1",
            tool_name="f",
            round=0,
            args={"x": 1},
            result={"n": 1},
            done=True,
            duration_ms=3,
        ),
        ToolCallPart(
            tool_call_id="2",
            tool_name="g",
            round=0,
            result="two",
            is_error=True,
            done=True,
            duration_ms=3,
        ),
        TextPart(content="b"),
    ]
    assert fold.content == "ab"


def test_calls_belong_to_the_round_in_which_they_began() -> None:
    usage = UsageReport(input_tokens=1, output_tokens=1, estimated=False)
    fold = folded(begin("1"), usage, begin("2"))
    assert [part.round for part in fold.parts if isinstance(part, ToolCallPart)] == [0, 1]


@pytest.mark.parametrize(
    ("pieces", "args"),
    [
        ([], None),
        (['{"x"', ":1}"], {"x": 1}),
        (['{"x":', "1"], '{"x":1'),
        (["[" * 5000], "[" * 5000),
        (["[" * 5000 + "]" * 5000], "[" * 5000 + "]" * 5000),
    ],
    ids=["nothing", "whole", "cut off", "cut off deep inside", "too deep"],
)
def test_arguments_of_an_unfinished_call_are_shown_as_far_as_they_came(pieces: list[str], args: Any) -> None:
    [part] = folded(begin("1"), *(arguments("1", piece) for piece in pieces)).parts
    assert isinstance(part, ToolCallPart)
    assert (part.args, part.done, part.result) == (args, False, None)


@pytest.mark.parametrize(
    "event",
    [
        Start(turn_id="t", message_id="m", user_message_id="u", model="x"),
        Title(title="t"),
        UsageReport(input_tokens=1, output_tokens=1, estimated=False),
        Complete(message_id="m", status="ok"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_events_about_other_things_change_nothing(event: MessageEvent) -> None:
    fold = folded(TextDelta(content="a"), event)
    assert fold.parts == [TextPart(content="a")]


def test_what_was_given_out_does_not_change_later() -> None:
    fold = folded(TextDelta(content="a"), begin("1"))
    before = fold.parts
    for event in (complete("1"), TextDelta(content="b")):
        fold.apply(event)
    assert before == [TextPart(content="a"), ToolCallPart(tool_call_id="1", tool_name="f", round=0)]


@pytest.mark.parametrize(("pieces", "args"), [([], None), (['{"x":', "1}"], {"x": 1}), (['{"x'], '{"x')])
def test_a_call_that_was_cut_off_has_its_arguments_and_says_so(pieces: list[str], args: Any) -> None:
    fold = folded(begin("1"), *(arguments("1", piece) for piece in pieces))
    event = fold.cut_off("1")
    assert (event.tool_call_id, event.tool_name, event.args) == ("1", "f", args)
    assert (event.result, event.is_error) == (TOOL_CUT_OFF, True)
    [before] = fold.parts
    assert isinstance(before, ToolCallPart)
    assert not before.done
    fold.apply(event)
    [part] = fold.parts
    assert isinstance(part, ToolCallPart)
    assert (part.args, part.result, part.is_error, part.done) == (args, TOOL_CUT_OFF, True, True)


# ---------- any sequence

TEXTS: dict[str, type[TextDelta | ReasoningDelta | RefusalDelta]] = {
    "text": TextDelta,
    "reasoning": ReasoningDelta,
    "refusal": RefusalDelta,
}


@st.composite
def sequences(draw: st.DrawFn) -> list[MessageEvent]:
    """Rounds of what a model may say: texts, and calls whose pieces and results interleave freely."""
    events: list[MessageEvent] = []
    count = 0
    for _ in range(draw(st.integers(1, 3))):
        unfinished: list[str] = []
        for kind in draw(st.lists(st.sampled_from([*TEXTS, "begin", "arguments"]), max_size=12)):
            if kind in TEXTS:
                events.append(TEXTS[kind](content=draw(st.text(min_size=1, max_size=4))))
            elif kind == "begin":
                count += 1
                unfinished.append(f"call_{count}")
                events.append(begin(unfinished[-1], index=len(unfinished) - 1))
            elif unfinished:
                piece = draw(st.sampled_from(['{"x"', ":", "1", "}", "é"]))
                events.append(arguments(draw(st.sampled_from(unfinished)), piece))
        order = draw(st.permutations(unfinished))
        finished = order[: draw(st.integers(0, len(order)))]
        events += [complete(call_id, draw(st.integers()), args={}) for call_id in finished]
    return events


def naive(events: list[MessageEvent]) -> list[dict[str, Any]]:
    """The parts that these events describe, folded in the plainest way from the events' own JSON."""
    parts: list[dict[str, Any]] = []
    for event in map(msgspec.to_builtins, events):
        kind = event["type"].removesuffix("_delta")
        if kind in TEXTS:
            if not parts or parts[-1]["type"] != kind:
                parts.append({"type": kind, "content": ""})
            parts[-1]["content"] += event["content"]
            continue
        if kind == "tool_call_start":
            parts.append({"type": "tool_call", "toolCallId": event["toolCallId"], "args": ""})
        [call] = [part for part in parts if part.get("toolCallId") == event["toolCallId"]]
        call["args"] += event.get("argsDelta", "")
        call |= {name: event[name] for name in ("args", "result") if name in event}
    return [part if "result" in part else unfinished(part) for part in parts]


def unfinished(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] != "tool_call":
        return part
    try:
        args = json.loads(part["args"])
    except ValueError:
        args = part["args"] or None
    return {**part, "args": args, "result": None}


def in_short(part: Part) -> dict[str, Any]:
    if isinstance(part, ToolCallPart):
        named = {"toolCallId": part.tool_call_id, "args": part.args, "result": part.result}
        return {"type": "tool_call", **named}
    return dict(msgspec.to_builtins(part))


@given(sequences())
def test_any_sequence_folds_to_what_it_says(events: list[MessageEvent]) -> None:
    fold = folded(*events)
    assert [in_short(part) for part in fold.parts] == naive(events)
    assert fold.content == "".join(event.content for event in events if isinstance(event, TextDelta))
