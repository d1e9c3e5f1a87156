"""What the model gets to see of a conversation."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tidewire.chat.models import Message, Part, ReasoningPart, RefusalPart, TextPart, ToolCallPart
from tidewire.chat.prompt import UNFINISHED, prompt_messages
from tidewire.chat.providers import PromptMessage, ToolRequest


def user(content: str) -> Message:
    return message("user", [TextPart(content=content)])


def answer(*parts: Part) -> Message:
    return message("assistant", list(parts))


def message(role: Any, parts: list[Part]) -> Message:
    return Message(
        id="m",
        conversation_id="c",
        turn_id="t",
        role=role,
        status="ok",
        content="".join(part.content for part in parts if isinstance(part, TextPart)),
        parts=parts,
        created_at=datetime(2030, 1, 1, tzinfo=UTC),
    )


def text(content: str) -> TextPart:
    return TextPart(content=content)


def call(
    call_id: str, round: int, args: Any = None, result: Any = None, *, done: bool = True
) -> ToolCallPart:
    return ToolCallPart(tool_call_id=call_id, tool_name="f", round=round, args=args, result=result, done=done)


def asked(content: str, *requests: tuple[str, str]) -> PromptMessage:
    tool_calls = [ToolRequest(call_id, "f", arguments) for call_id, arguments in requests]
    return PromptMessage(role="assistant", content=content, tool_calls=tool_calls)


def told(call_id: str, content: str) -> PromptMessage:
    return PromptMessage(role="tool", content=content, tool_call_id=call_id)


@pytest.mark.parametrize("system", [None, ""])
def test_without_instructions_there_is_no_system_message(system: str | None) -> None:
    assert prompt_messages(system, [user("a")]) == [PromptMessage(role="user", content="a")]


def test_the_conversation_follows_the_instructions() -> None:
    assert prompt_messages("Be brief.", [user("a"), answer(text("b")), user("c")]) == [
        PromptMessage(role="system", content="Be brief."),
        PromptMessage(role="user", content="a"),
        asked("b"),
        PromptMessage(role="user", content="c"),
    ]


def test_rounds_of_tool_calls_come_back_as_they_were() -> None:
    said = answer(
        text("Let me see. "),
        call("1", 0, {"x": 1}, {"n": 2}),
        call("2", 0, {}, "words"),
        call("3", 1, {"y": [1]}, None),
        text("Once more. "),
        call("4", 2, None, False),
        text("Done."),
    )
    assert prompt_messages(None, [said]) == [
        asked("Let me see. ", ("1", '{"x":1}'), ("2", "{}")),
        told("1", '{"n":2}'),
        told("2", "words"),
        asked("", ("3", '{"y":[1]}')),
        told("3", "null"),
        asked("Once more. ", ("4", "{}")),
        told("4", "false"),
        asked("Done."),
    ]


def test_every_interrupted_call_is_answered_all_the_same() -> None:
    said = answer(
        call("1", 0, {"x": 1}, "one"),
        call("2", 0, {"x": 2}, done=False),
        call("3", 0, '{"x', done=False),
        call("4", 0, None, done=False),
    )
    assert prompt_messages(None, [said]) == [
        asked("", ("1", '{"x":1}'), ("2", '{"x":2}'), ("3", '{"x'), ("4", "{}")),
        told("1", "one"),
        told("2", UNFINISHED),
        told("3", UNFINISHED),
        told("4", UNFINISHED),
    ]


def test_reasoning_and_refusals_are_not_repeated_to_the_model() -> None:
    thought = ReasoningPart(content="hm")
    said = [
        answer(thought, text("a"), thought, call("1", 0, {}, 1), thought),
        answer(RefusalPart(content="no")),
        answer(),
    ]
    assert prompt_messages(None, said) == [asked("a", ("1", "{}")), told("1", "1")]
