"""What goes wrong during a turn: the provider, the database, and a model without an end."""

import asyncio
import logging
from typing import Any

import pytest

from tests.tidewire.chat.scripted import Step, calls, text
from tests.tidewire.chat.stage import CUT, NOT_SAVED, OVERLOADED, Stage, double
from tidewire.chat import answering
from tidewire.chat.events import Complete, Error
from tidewire.chat.models import Failure, Message, ToolCallPart
from tidewire.chat.providers import Reasoning, Refusal, Text, TokenUsage, ToolCallArguments, ToolCallBegin
from tidewire.chat.providers.base import Delta
from tidewire.chat.store import StoreError


def failing(*_: Any, **__: Any) -> Any:
    raise StoreError("The database is busy or unavailable.")


# ---------- the provider and the database


async def test_an_unknown_exception_is_logged_and_not_told(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    events, answer = await stage.play([Text("a "), RuntimeError("secret text")])
    [error] = [event for event in events if isinstance(event, Error)]
    assert error == Error(code="INTERNAL_SERVER_ERROR", message="Internal server error", retryable=False)
    assert "secret" not in repr(events) + repr(answer)
    assert "secret text" in caplog.text
    assert (answer.status, answer.content) == ("error", "a ")


@pytest.mark.parametrize(
    "delta",
    [
        TokenUsage(input_tokens=1.5, output_tokens=1),  # type: ignore[arg-type]
        ToolCallBegin(index="0", id="a", name="x"),  # type: ignore[arg-type]
        Text(None),  # type: ignore[arg-type]
        Text(b"a"),  # type: ignore[arg-type]
    ],
)
async def test_what_a_provider_gives_is_as_its_types_say(stage: Stage, delta: Delta) -> None:
    events, answer = await stage.play([Text("a "), delta])
    [error] = [event for event in events if isinstance(event, Error)]
    assert error.code == "INTERNAL_SERVER_ERROR"
    assert (answer.status, answer.content) == ("error", "a ")


async def test_a_failed_provider_is_logged_with_its_detail(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    events, _ = await stage.play([OVERLOADED])
    assert "HTTP 503" in caplog.text
    assert "HTTP 503" not in repr(events)


async def test_a_database_that_fails_during_a_turn_is_a_typed_error(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(stage.store.messages, "history", failing)
        events, answer = await stage.play(text("never said"))
    [error] = [event for event in events if isinstance(event, Error)]
    assert (error.code, error.retryable) == ("SERVICE_UNAVAILABLE", True)
    assert (answer.status, answer.content) == ("error", "")
    _, answer = await stage.play(text("said later"))
    assert answer.status == "ok"


async def test_a_turn_completes_even_if_its_answer_cannot_be_written_down(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def save(message: Message) -> bool:
        raise ValueError("no such character")

    monkeypatch.setattr(stage.store.messages, "save", save)
    stage.provider.script(text("a"))
    turn = await stage.start()
    await turn.ended()
    assert stage.ended == [turn.id]
    assert NOT_SAVED in stage.events[turn.id]
    assert isinstance(stage.events[turn.id][-1], Complete)
    assert "no such character" in caplog.text


# Somewhere below the interpreter's limit arguments can be read where the stack is low, but not written.
@pytest.mark.parametrize("depth", [900, *range(975, 990), 5000])
async def test_arguments_nested_too_deeply_do_not_keep_a_turn_from_its_end(stage: Stage, depth: int) -> None:
    stage.tools = [double]
    arguments = '{"number":' + "[" * depth + "]" * depth + "}"
    events, _ = await stage.play(calls(("1", "double", arguments)), text("Oh."))
    assert isinstance(events[-1], Complete)


async def test_a_turn_that_fails_deep_inside_of_arguments_completes(stage: Stage) -> None:
    steps: list[Step] = [ToolCallBegin(0, "1", "double"), ToolCallArguments(0, "[" * 5000), CUT]
    _, answer = await stage.play(steps)
    assert answer.status == "interrupted"
    assert answer.parts == [
        ToolCallPart(tool_call_id="1", tool_name="double", round=0, args="[" * 5000),
    ]


async def test_a_conversation_deleted_meanwhile_does_not_keep_a_turn_from_its_end(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    turn = await stage.at_gate([Text("a"), asyncio.Event()])
    await stage.store.conversations.delete("ann", turn.request.user.conversation_id, turn.id)
    await turn.stop("deletion")
    assert isinstance(stage.events[turn.id][-1], Complete)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


# ---------- a model that does not come to an end


ENDLESS: dict[str, list[Step]] = {
    "text": [Text("12345")] * 3,
    "reasoning": [Reasoning("12345")] * 3,
    "refusals": [Refusal("12345")] * 3,
    "arguments": [ToolCallBegin(0, "1", "f"), *[ToolCallArguments(0, "12345")] * 3],
    "calls": [ToolCallBegin(n, "12345", "12345") for n in range(3)],
    "all of it": [Text("1234"), Reasoning("1234"), Refusal("1234")],
}


@pytest.mark.parametrize("kind", ENDLESS)
async def test_a_model_that_does_not_come_to_an_end_is_an_error(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(answering, "MAX_CHARACTERS", 11, raising=False)
    events, answer = await stage.play(ENDLESS[kind])
    [error] = [event for event in events if isinstance(event, Error)]
    assert (error.code, error.message, error.retryable) == (
        *("BAD_GATEWAY", "The model does not come to an end."),
        True,
    )
    assert (answer.status, answer.error) == (
        "error",
        Failure(code=error.code, message=error.message, retryable=True),
    )
    assert isinstance(events[-1], Complete)
    assert len(answer.content) <= 11


async def test_a_model_that_just_comes_to_an_end_is_none(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "MAX_CHARACTERS", 11, raising=False)
    _, answer = await stage.play(text("12345 67890"))
    assert (answer.status, answer.content) == ("ok", "12345 67890")
