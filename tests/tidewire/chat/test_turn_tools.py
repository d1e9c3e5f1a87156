"""The tools a model calls during a turn: their results, their rounds, and how many."""

import asyncio
from collections.abc import Iterable

import pytest

from tests.tidewire.chat.scripted import calls, text
from tests.tidewire.chat.stage import Stage, complete, double, without_ids
from tidewire.chat import answering
from tidewire.chat.events import Complete, Error, MessageEvent, ToolCallComplete, ToolCallDelta, ToolCallStart
from tidewire.chat.models import ToolCallPart, Usage
from tidewire.chat.tools import ToolContext, ToolError, tool


@tool
async def fail() -> None:
    """Fail on purpose."""
    raise ToolError("On purpose.")


@tool
async def whoami(ctx: ToolContext) -> dict[str, str]:
    """Tell who asks."""
    return {"owner": ctx.owner, "conversation": ctx.conversation_id, "call": ctx.tool_call_id}


async def test_results_are_shown_and_go_back_to_the_model(stage: Stage) -> None:
    stage.tools = [double, fail]
    wanted = calls(("1", "double", '{"number":4}'), ("2", "fail", ""))
    events, answer = await stage.play(wanted, text("Eight."))
    assert [event for event in events if isinstance(event, ToolCallStart | ToolCallDelta)] == [
        ToolCallStart(tool_call_id="1", tool_name="double", index=0),
        ToolCallDelta(tool_call_id="1", args_delta='{"number":4}'),
        ToolCallStart(tool_call_id="2", tool_name="fail", index=1),
    ]
    shown = {event.tool_call_id: event for event in events if isinstance(event, ToolCallComplete)}
    assert (shown["1"].result, shown["1"].is_error, shown["1"].args) == (8, False, {"number": 4})
    assert (shown["2"].result, shown["2"].is_error, shown["2"].args) == ("On purpose.", True, {})
    told = [(each.tool_call_id, each.content) for each in stage.provider.prompts[1].messages[-2:]]
    assert told == [("1", "8"), ("2", "On purpose.")]
    assert answer.content == "Eight."
    assert answer.usage == Usage(input_tokens=14, output_tokens=10, estimated=False)


async def test_a_tool_learns_who_asks(stage: Stage) -> None:
    stage.tools = [whoami]
    events, answer = await stage.play(calls(("1", "whoami", "")), text("You."))
    [shown] = [event for event in events if isinstance(event, ToolCallComplete)]
    assert shown.result == {"owner": "ann", "conversation": answer.conversation_id, "call": "1"}


async def test_calls_of_later_rounds_have_ids_of_their_own(stage: Stage) -> None:
    stage.tools = [double]
    again = calls(("call_0", "double", '{"number":1}'))
    events, answer = await stage.play(again, again, again, text("Done."))
    ids = [event.tool_call_id for event in events if isinstance(event, ToolCallStart)]
    assert ids == ["call_0", "call_0-2", "call_0-3"]
    told = [each.tool_call_id for each in stage.provider.prompts[3].messages if each.role == "tool"]
    assert told == ids
    rounds = [(part.tool_call_id, part.round) for part in answer.parts if isinstance(part, ToolCallPart)]
    assert rounds == list(zip(ids, range(3), strict=True))


async def test_a_tool_that_was_not_offered_does_not_run(stage: Stage) -> None:
    events, _ = await stage.play(calls(("1", "double", '{"number":1}')), text("Pity."))
    [shown] = [event for event in events if isinstance(event, ToolCallComplete)]
    assert shown.is_error
    assert "no tool `double`" in shown.result
    assert without_ids(events)[-1] == complete("ok", finish_reason="stop", usage=shown_usage(events))


def shown_usage(events: Iterable[MessageEvent]) -> Usage | None:
    return next(event.usage for event in events if isinstance(event, Complete))


async def test_after_the_last_round_no_tools_are_offered(stage: Stage) -> None:
    stage.tools = [double]
    once = calls(("1", "double", '{"number":1}'))
    _, answer = await stage.play(once, once, text("Enough."), max_tool_rounds=2)
    assert [len(prompt.tools) for prompt in stage.provider.prompts] == [1, 1, 0]
    assert (answer.status, answer.content) == ("ok", "Enough.")


async def test_a_model_that_only_calls_tools_is_stopped_by_an_error(stage: Stage) -> None:
    stage.tools = [double]
    once = calls(("1", "double", '{"number":1}'))
    events, answer = await stage.play(once, once, max_tool_rounds=1)
    [error] = [event for event in events if isinstance(event, Error)]
    assert (error.code, error.retryable) == ("BAD_GATEWAY", True)
    assert len(stage.provider.prompts) == 2
    assert answer.status == "error"


async def test_tools_run_a_few_at_a_time(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "TOOLS_AT_ONCE", 2, raising=False)
    running: list[int] = []

    @tool
    async def count() -> int:
        """Count how many run."""
        running.append(len(running) + 1)
        most = 0
        # As long as the others would take to begin.
        for _ in range(20):
            await asyncio.sleep(0)
            most = max(most, len(running))
        running.pop()
        return most

    stage.tools = [count]
    events, answer = await stage.play(calls(*((str(n), "count", "{}") for n in range(5))), text("done"))
    results = [event.result for event in events if isinstance(event, ToolCallComplete)]
    assert (len(results), max(results)) == (5, 2)
    assert (answer.status, answer.content) == ("ok", "done")


async def test_more_calls_than_a_model_may_make_at_once_are_refused(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "MAX_CALLS", 2, raising=False)
    ran: list[int] = []

    @tool
    async def note(number: int) -> int:
        """Note a number."""
        ran.append(number)
        return number

    stage.tools = [note]
    wanted = [(f"call {n}", "note", f'{{"number":{n}}}') for n in range(4)]
    events, answer = await stage.play(calls(*wanted), text("done"))
    results = {event.tool_call_id: event for event in events if isinstance(event, ToolCallComplete)}
    assert sorted(ran) == [0, 1]
    assert [results[call_id].is_error for call_id, _, _ in wanted] == [False, False, True, True]
    assert answer.status == "ok"
    told = [message.tool_call_id for message in stage.provider.prompts[1].messages if message.role == "tool"]
    assert told == [call_id for call_id, _, _ in wanted]
    assert await stage.store.tool_runs.started(answer.turn_id) == {"call 0", "call 1"}
