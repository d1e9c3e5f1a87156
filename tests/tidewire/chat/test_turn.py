"""One turn, in this process: its states, its ends, and what it leaves in the database."""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from tests.tidewire.chat.scripted import STOP, USAGE, WAIT_SECONDS, ScriptedProvider, Step, calls, text
from tidewire.chat import answering
from tidewire.chat.answering import AnswerSettings
from tidewire.chat.events import (
    Complete,
    Error,
    MessageEvent,
    ReasoningDelta,
    RefusalDelta,
    Start,
    Stopped,
    TextDelta,
    Title,
    ToolCallComplete,
    ToolCallDelta,
    ToolCallStart,
    UsageReport,
)
from tidewire.chat.fold import TOOL_CUT_OFF
from tidewire.chat.log import Channel, Log
from tidewire.chat.models import Failure, Message, TextPart, ToolCallPart, Usage
from tidewire.chat.providers import (
    Finish,
    ProviderError,
    ProviderTruncatedError,
    Reasoning,
    Refusal,
    Text,
    TokenUsage,
    ToolCallArguments,
    ToolCallBegin,
)
from tidewire.chat.providers.base import Delta
from tidewire.chat.recorder import Recorder
from tidewire.chat.store import Store, StoreError
from tidewire.chat.tools import Tool, Toolbox, ToolContext, ToolError, tool
from tidewire.chat.turn import Turn, TurnRequest, TurnServices
from tidewire.chat.turn_states import OUTCOMES, TURN_MOVES, TurnState, TurnStep

USAGE_TOLD = Usage(input_tokens=7, output_tokens=5, estimated=False)
OVERLOADED = ProviderError(
    "SERVICE_UNAVAILABLE", "The model is overloaded.", retryable=True, detail="HTTP 503"
)
CUT = ProviderTruncatedError("BAD_GATEWAY", "The model broke off.", retryable=True)


class Heard(Recorder):
    """Keeps what a turn records, as it does."""

    def __init__(self, channel: Channel, turn_id: str, changed: asyncio.Event) -> None:
        super().__init__(channel, turn_id)
        self.events: list[MessageEvent] = []
        self._changed = changed

    def put(self, event: MessageEvent) -> None:
        super().put(event)
        self._note(event)

    def put_last(self, event: MessageEvent, on_written: Callable[[], None] | None = None) -> None:
        super().put_last(event, on_written)
        self._note(event)

    def _note(self, event: MessageEvent) -> None:
        self.events.append(event)
        self._changed.set()


class Stage:
    """Runs turns on one database, and keeps what each of them says."""

    def __init__(self, store: Store, provider: ScriptedProvider) -> None:
        self.store = store
        self.provider = provider
        self.log = Log(store.events)
        self.ended: list[str] = []
        """The turns that said so, in order."""
        self.events: dict[str, list[MessageEvent]] = {}
        self.turns: list[Turn] = []
        self.changed = asyncio.Event()
        self.slots = asyncio.Semaphore(10)
        self.tools: list[Tool[..., Any]] = []
        self.max_history_messages = 20

    async def start(
        self, content: str = "Hello", *, conversation_id: str | None = None, max_tool_rounds: int = 8
    ) -> Turn:
        """Store a message and the answer to come, and start the turn."""
        if conversation_id is None:
            conversation_id = (await self.store.conversations.create("ann")).id
        toolbox = Toolbox(self.tools, default_timeout=WAIT_SECONDS)
        settings = AnswerSettings(model="scripted-1", tools=toolbox.specs(), max_tool_rounds=max_tool_rounds)
        number = len(self.events) + 1
        user = message(conversation_id, f"turn{number}", "user", content)
        answer = message(conversation_id, f"turn{number}", "assistant", "")
        begun = await self.store.messages.begin_turn("ann", user, answer, content)
        services = TurnServices(
            store=self.store,
            provider=self.provider,
            toolbox=toolbox,
            slots=self.slots,
            max_history_messages=self.max_history_messages,
        )
        channel = await self.log.join(conversation_id)
        heard = Heard(channel, user.turn_id, self.changed)
        self.events[user.turn_id] = heard.events

        def end() -> None:
            self.ended.append(user.turn_id)
            self.log.leave(channel)

        title = content if begun.is_titled else None
        request = TurnRequest(owner="ann", user=user, answer=answer, settings=settings, title=title)
        self.turns.append(Turn(request, services, heard, end))
        return self.turns[-1]

    async def play(self, *scripts: Iterable[Step], **options: Any) -> tuple[list[MessageEvent], Message]:
        """Run a turn to its end; gives its events, and its answer as it is stored."""
        self.provider.script(*scripts)
        turn = await self.start(**options)
        async with asyncio.timeout(WAIT_SECONDS):
            await turn.ended()
        return self.events[turn.id], await self.stored(turn)

    async def at_gate(self, *scripts: Iterable[Step], **options: Any) -> Turn:
        """Start a turn and wait until the provider has come to a gate in its script."""
        self.provider.script(*scripts)
        turn = await self.start(**options)
        async with asyncio.timeout(WAIT_SECONDS):
            await self.provider.waiting.wait()
        return turn

    async def until(self, turn: Turn, kind: type[MessageEvent]) -> None:
        """Wait until the turn has said something of this kind."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not any(isinstance(event, kind) for event in self.events[turn.id]):
                self.changed.clear()
                await self.changed.wait()

    async def stored(self, turn: Turn) -> Message:
        _, answer = await self.store.messages.turn(turn.id)
        return answer


def message(conversation_id: str, turn_id: str, role: Any, content: str) -> Message:
    return Message(
        id=f"{turn_id}-{role}-{conversation_id}",
        conversation_id=conversation_id,
        turn_id=turn_id,
        role=role,
        status="streaming" if role == "assistant" else "ok",
        content=content,
        parts=[TextPart(content=content)] if content else [],
        created_at=datetime.now(UTC),
    )


@pytest.fixture
async def stage(database_url: str, scripted: ScriptedProvider) -> AsyncIterator[Stage]:
    store = await Store.open(database_url)
    stage = Stage(store, scripted)
    await stage.log.own()
    stage.log.start()
    yield stage
    async with asyncio.timeout(WAIT_SECONDS):
        for turn in stage.turns:
            await turn.ended()
        await stage.log.close()
    await store.close()
    assert scripted.open_streams == 0


def failing(*_: Any, **__: Any) -> Any:
    raise StoreError("The database is busy or unavailable.")


def complete(status: Any, **fields: Any) -> Complete:
    return Complete(message_id="", status=status, **fields)


def without_ids(events: Iterable[MessageEvent]) -> list[MessageEvent]:
    """The events with ids that differ from run to run left out."""
    return [
        msgspec.structs.replace(event, message_id="") if isinstance(event, Complete) else event
        for event in events
        if not isinstance(event, Start | Title | UsageReport)
    ]


# ---------- a turn that goes well


async def test_a_turn_says_what_it_does_from_start_to_complete(stage: Stage) -> None:
    events, answer = await stage.play(text("Hello big world"), content="Say hello")
    assert events == [
        Start(
            turn_id=answer.turn_id,
            message_id=answer.id,
            user_message_id=f"turn1-user-{answer.conversation_id}",
            model="scripted-1",
        ),
        Title(title="Say hello"),
        TextDelta(content="Hello "),
        TextDelta(content="big "),
        TextDelta(content="world"),
        UsageReport(input_tokens=7, output_tokens=5, estimated=False),
        Complete(message_id=answer.id, status="ok", finish_reason="stop", usage=USAGE_TOLD),
    ]
    assert (answer.status, answer.content, answer.finish_reason) == ("ok", "Hello big world", "stop")
    assert (answer.usage, answer.error) == (USAGE_TOLD, None)


async def test_start_is_said_before_anything_can_come_in_between(stage: Stage) -> None:
    turn = await stage.start()
    assert [type(event) for event in stage.events[turn.id]] == [Start, Title]
    await turn.ended()


async def test_all_that_a_model_says_is_passed_on_and_kept(stage: Stage) -> None:
    steps: list[Step] = [Reasoning("hm"), Text("a"), Refusal("no"), USAGE, Finish("length")]
    events, answer = await stage.play(steps)
    assert without_ids(events) == [
        ReasoningDelta(content="hm"),
        TextDelta(content="a"),
        RefusalDelta(content="no"),
        complete("ok", finish_reason="length", usage=USAGE_TOLD),
    ]
    assert [type(part).__name__ for part in answer.parts] == ["ReasoningPart", "TextPart", "RefusalPart"]


async def test_the_model_sees_what_was_said_before(stage: Stage) -> None:
    _, first = await stage.play(text("Hi."), content="Hello")
    await stage.play(text("Bye."), content="Bye", conversation_id=first.conversation_id)
    said = [(each.role, each.content) for each in stage.provider.prompts[1].messages]
    assert said == [("user", "Hello"), ("assistant", "Hi."), ("user", "Bye")]


async def test_the_model_sees_the_newest_messages_only(stage: Stage) -> None:
    stage.max_history_messages = 3
    _, first = await stage.play(text("one"), content="1")
    for question, answer in (("2", "two"), ("3", "three")):
        await stage.play(text(answer), content=question, conversation_id=first.conversation_id)
    said = [message.content for message in stage.provider.prompts[-1].messages]
    assert said == ["2", "two", "3"]


async def test_usage_is_estimated_where_the_provider_does_not_tell(stage: Stage) -> None:
    steps: list[Step] = [Reasoning("1234"), Text("5678"), Refusal("9"), STOP]
    events, answer = await stage.play(steps, content="12345678")
    assert UsageReport(input_tokens=2, output_tokens=3, estimated=True) in events
    assert answer.usage == Usage(input_tokens=2, output_tokens=3, estimated=True)


async def test_a_call_that_was_refused_costs_nothing(stage: Stage) -> None:
    events, answer = await stage.play([OVERLOADED], content="12345678")
    assert not any(isinstance(event, UsageReport) for event in events)
    assert (answer.status, answer.usage) == ("error", None)


async def test_a_refusal_in_a_later_round_leaves_what_the_earlier_ones_cost(stage: Stage) -> None:
    _, answer = await stage.play(calls(("1", "double", '{"number":1}')), [OVERLOADED])
    assert answer.usage == Usage(input_tokens=7, output_tokens=5, estimated=False)


@pytest.mark.parametrize(
    ("steps", "output_tokens"), [([CUT], 0), ([Text("5678"), OVERLOADED], 1), ([Text("5678"), CUT], 1)]
)
async def test_a_call_that_broke_off_costs_what_was_sent_and_came(
    stage: Stage, steps: list[Step], output_tokens: int
) -> None:
    _, answer = await stage.play(steps, content="12345678")
    assert answer.usage == Usage(input_tokens=2, output_tokens=output_tokens, estimated=True)


# ---------- tools


@tool
async def double(number: int) -> int:
    """Double a number."""
    return 2 * number


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
NOT_SAVED = Error(code="INTERNAL_SERVER_ERROR", message="The answer cannot be saved.", retryable=False)
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


# ---------- slots


async def test_a_turn_waits_for_a_slot_in_the_order_of_arrival(stage: Stage) -> None:
    stage.slots = asyncio.Semaphore(1)
    gate = asyncio.Event()
    first = await stage.at_gate([gate, *text("one")], text("two"), text("three"))
    waiting = [await stage.start(word) for word in ("second", "third")]
    assert [turn.state for turn in waiting] == [QUEUED, QUEUED]
    assert len(stage.provider.prompts) == 1
    gate.set()
    for turn in (first, *waiting):
        await turn.ended()
    assert [prompt.messages[-1].content for prompt in stage.provider.prompts] == ["Hello", "second", "third"]
    assert [(await stage.stored(turn)).content for turn in (first, *waiting)] == ["one", "two", "three"]


async def test_a_turn_stopped_in_the_queue_takes_no_slot_with_it(stage: Stage) -> None:
    stage.slots = asyncio.Semaphore(1)
    gate = asyncio.Event()
    first = await stage.at_gate([gate, *text("one")], text("three"))
    second, third = await stage.start("second"), await stage.start("third")
    await second.stop("ann")
    gate.set()
    await asyncio.gather(first.ended(), third.ended())
    assert [prompt.messages[-1].content for prompt in stage.provider.prompts] == ["Hello", "third"]


@pytest.mark.parametrize("script", [[OVERLOADED], [RuntimeError("bug")], text("fine")])
async def test_a_turn_gives_its_slot_back_however_it_ends(stage: Stage, script: list[Step]) -> None:
    stage.slots = asyncio.Semaphore(1)
    await stage.play(script)
    _, answer = await stage.play(text("next"))
    assert answer.content == "next"


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


# ---------- failures


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


# ---------- a model that has lost its way


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
