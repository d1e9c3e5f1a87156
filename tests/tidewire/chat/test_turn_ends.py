"""How a turn ends: every move of its table, and what a stop leaves."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.tidewire.chat.scripted import WAIT_SECONDS, Step, calls, text
from tests.tidewire.chat.stage import (
    CUT,
    NOT_SAVED,
    OVERLOADED,
    USAGE_TOLD,
    Stage,
    complete,
    double,
    without_ids,
)
from tidewire.chat.events import (
    Complete,
    Error,
    MessageEvent,
    Start,
    Stopped,
    TextDelta,
    Title,
    ToolCallComplete,
)
from tidewire.chat.fold import TOOL_CUT_OFF
from tidewire.chat.models import Failure, Message, TextPart, ToolCallPart
from tidewire.chat.providers import Text, ToolCallArguments, ToolCallBegin
from tidewire.chat.tools import tool
from tidewire.chat.turn import Turn
from tidewire.chat.turn_states import OUTCOMES, TURN_MOVES, TurnState, TurnStep

# ---------- every move of the table


async def finish(stage: Stage) -> Turn:
    stage.provider.script(text("a b"))
    return await stage.start()


async def fail_upstream(stage: Stage) -> Turn:
    stage.provider.script([Text("a "), OVERLOADED])
    return await stage.start()


async def break_off(stage: Stage) -> Turn:
    stage.provider.script([Text("a "), CUT])
    return await stage.start()


async def stop_mid_text(stage: Stage) -> Turn:
    turn = await stage.at_gate([Text("a "), asyncio.Event()])
    await turn.stop("ann")
    return turn


async def interrupt_mid_text(stage: Stage) -> Turn:
    turn = await stage.at_gate([Text("a "), asyncio.Event()])
    await turn.interrupt()
    return turn


async def stop_queued(stage: Stage) -> Turn:
    stage.slots = asyncio.Semaphore(0)
    turn = await stage.start()
    await turn.stop("ann")
    return turn


async def interrupt_queued(stage: Stage) -> Turn:
    stage.slots = asyncio.Semaphore(0)
    turn = await stage.start()
    await turn.interrupt()
    return turn


SHUT_DOWN = Error(code="SERVICE_UNAVAILABLE", message="The server was shut down.", retryable=True)
FAILED = Error(code="SERVICE_UNAVAILABLE", message="The model is overloaded.", retryable=True)
BROKE_OFF = Error(code="BAD_GATEWAY", message="The model broke off.", retryable=True)


NOT_SAVED_FAILURE = Failure(code=NOT_SAVED.code, message=NOT_SAVED.message, retryable=NOT_SAVED.retryable)
STOPPED = Stopped(by="ann")

QUEUED, RUNNING, COMPLETE = TurnState.QUEUED, TurnState.RUNNING, TurnState.COMPLETE
MOVES: dict[str, tuple[Callable[[Stage], Any], list[TurnState], list[MessageEvent], str]] = {
    "finish": (finish, [QUEUED, RUNNING, COMPLETE], [], "a b"),
    "fail": (fail_upstream, [QUEUED, RUNNING, TurnState.ERROR], [FAILED], "a "),
    "break off": (break_off, [QUEUED, RUNNING, TurnState.INTERRUPTED], [BROKE_OFF], "a "),
    "stop": (stop_mid_text, [QUEUED, RUNNING, TurnState.STOPPED], [STOPPED], "a "),
    "interrupt": (interrupt_mid_text, [QUEUED, RUNNING, TurnState.INTERRUPTED], [SHUT_DOWN], "a "),
    "stop queued": (stop_queued, [QUEUED, TurnState.STOPPED], [STOPPED], ""),
    "interrupt queued": (interrupt_queued, [QUEUED, TurnState.INTERRUPTED], [SHUT_DOWN], ""),
}


@pytest.mark.parametrize("name", MOVES)
async def test_a_turn_moves_as_the_table_says(stage: Stage, name: str) -> None:
    scenario, states, said, kept = MOVES[name]
    turn = await scenario(stage)
    await turn.ended()
    events = stage.events[turn.id]
    assert turn.state is states[-1]
    ends = [event for event in events if isinstance(event, Error | Stopped | Complete)]
    assert ends[:-1] == said
    assert isinstance(events[-1], Complete)
    assert events[-1].status == OUTCOMES[states[-1]]
    answer = await stage.stored(turn)
    assert (answer.status, answer.content) == (OUTCOMES[states[-1]], kept)
    failures = [
        Failure(code=e.code, message=e.message, retryable=e.retryable) for e in said if type(e) is Error
    ]
    assert answer.error == (failures[0] if failures else None)


@pytest.mark.parametrize("name", MOVES)
async def test_an_answer_that_cannot_be_saved_is_an_error_however_it_ended(
    stage: Stage, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario, states, said, kept = MOVES[name]
    save = stage.store.messages.save
    unsaved: list[TurnState] = []

    async def save_text(message: Message) -> bool:
        if message.status == "error" and message.error == NOT_SAVED_FAILURE:
            return await save(message)
        unsaved.append(stage.turns[-1].state)
        raise ValueError("no such character")

    monkeypatch.setattr(stage.store.messages, "save", save_text)
    turn = await scenario(stage)
    await turn.ended()
    events = stage.events[turn.id]
    assert (unsaved, turn.state) == ([states[-1]], TurnState.ERROR)
    assert [(await stage.stored(turn)).content, (await stage.stored(turn)).status] == [kept, "error"]
    ends = [event for event in events if isinstance(event, Error | Stopped | Complete)]
    assert ends[:-1] == [*said, NOT_SAVED]
    assert isinstance(events[-1], Complete)
    assert events[-1].status == "error"


def test_the_scenarios_take_every_move_of_the_table() -> None:
    walked = {pair for _, states, _, _ in MOVES.values() for pair in pairwise(states)}
    unsaved = {(states[-1], TurnState.ERROR) for _, states, _, _ in MOVES.values()}
    assert {(start, end) for (start, _), end in TURN_MOVES.items()} == walked | unsaved


def test_an_end_is_left_only_for_an_error() -> None:
    left = {(step, end) for (start, step), end in TURN_MOVES.items() if start in OUTCOMES}
    assert left == {(TurnStep.FAIL, TurnState.ERROR)}
    assert OUTCOMES.keys() == set(TurnState) - {TurnState.QUEUED, TurnState.RUNNING}


# ---------- stopping


async def test_stopping_twice_is_stopping_once(stage: Stage) -> None:
    turn = await stage.at_gate([Text("a"), asyncio.Event()])
    await asyncio.gather(turn.stop("ann"), turn.stop("bob"), turn.interrupt())
    await turn.stop("carl")
    said = [type(event) for event in stage.events[turn.id]]
    assert Counter(said)[Stopped] == Counter(said)[Complete] == 1
    assert STOPPED in stage.events[turn.id]


async def test_stopping_what_has_ended_changes_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    saving, saved = asyncio.Event(), asyncio.Event()
    save = stage.store.messages.save

    async def slowly(message: Message) -> bool:
        saving.set()
        await saved.wait()
        return await save(message)

    monkeypatch.setattr(stage.store.messages, "save", slowly)
    stage.provider.script(text("whole"))
    turn = await stage.start()
    await saving.wait()
    stopping = asyncio.create_task(turn.stop("ann"))
    await asyncio.sleep(0)
    saved.set()
    await stopping
    assert (await stage.stored(turn)).status == "ok"
    assert without_ids(stage.events[turn.id])[-2:] == [
        TextDelta(content="whole"),
        complete("ok", finish_reason="stop", usage=USAGE_TOLD),
    ]


async def test_a_stop_before_the_first_step_is_a_stop(stage: Stage) -> None:
    turn = await stage.start()
    await turn.stop("ann")
    assert [type(event) for event in stage.events[turn.id]] == [Start, Title, Stopped, Complete]
    assert stage.provider.prompts == []


async def test_stopping_mid_arguments_keeps_the_call_as_far_as_it_came(stage: Stage) -> None:
    steps: list[Step] = [
        Text("a"),
        ToolCallBegin(0, "1", "double"),
        ToolCallArguments(0, '{"num'),
        asyncio.Event(),
    ]
    turn = await stage.at_gate(steps)
    await turn.stop("ann")
    assert (await stage.stored(turn)).parts == [
        TextPart(content="a"),
        ToolCallPart(tool_call_id="1", tool_name="double", round=0, args='{"num'),
    ]


async def test_stopping_ends_an_async_tool_and_reports_its_call_as_cut_off(stage: Stage) -> None:
    running, cancelled = asyncio.Event(), asyncio.Event()

    @tool
    async def forever() -> None:
        """Take for ever."""
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    stage.tools = [forever, double]
    stage.provider.script(calls(("1", "forever", ""), ("2", "double", '{"number":1}')))
    turn = await stage.start()
    await running.wait()
    await stage.until(turn, ToolCallComplete)
    await turn.stop("ann")
    assert cancelled.is_set()
    parts = [part for part in (await stage.stored(turn)).parts if isinstance(part, ToolCallPart)]
    assert [(part.tool_call_id, part.done, part.result) for part in parts] == [
        ("1", True, TOOL_CUT_OFF),
        ("2", True, 2),
    ]


async def test_stopping_does_not_wait_for_a_sync_tool(stage: Stage) -> None:
    loop = asyncio.get_running_loop()
    running, release = asyncio.Event(), threading.Event()

    @tool
    def block() -> None:
        """Block a thread."""
        loop.call_soon_threadsafe(running.set)
        release.wait(WAIT_SECONDS)

    stage.tools = [block]
    stage.provider.script(calls(("1", "block", "")))
    turn = await stage.start()
    await running.wait()
    await turn.stop("ann")
    assert not release.is_set()
    release.set()
    assert (await stage.stored(turn)).status == "stopped"
