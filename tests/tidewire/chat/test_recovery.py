"""Turns that a crash left open: ended as far as they had come, and each of them once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from tests.tidewire.chat.scripted import USAGE, WAIT_SECONDS, ScriptedProvider, Step, text
from tidewire.chat import Settings
from tidewire.chat.answering import AnswerSettings
from tidewire.chat.events import (
    Complete,
    Error,
    MessageEvent,
    Start,
    Stopped,
    TextDelta,
    ToolCallComplete,
    ToolCallDelta,
    ToolCallStart,
    UsageReport,
)
from tidewire.chat.fold import TOOL_CUT_OFF, Fold
from tidewire.chat.log import Log, LogLimits, Written
from tidewire.chat.models import Failure, Message, TextPart, ToolCallPart, Usage
from tidewire.chat.providers import Finish, Reasoning, Text, ToolCallArguments, ToolCallBegin
from tidewire.chat.recovery import CRASHED, open_turns
from tidewire.chat.server import ChatServer
from tidewire.chat.store import Store, StoreError
from tidewire.chat.tools import Toolbox, tool
from tidewire.chat.turn import TurnServices
from tidewire.chat.turns import Question, Turns

MESSAGE = "What is the time, and what is six times seven?"

ROUND: list[Step] = [
    Reasoning("I need "),
    Reasoning("tools."),
    Text("Let me "),
    Text("look. "),
    ToolCallBegin(0, "1", "add"),
    ToolCallArguments(0, '{"a":1'),
    ToolCallArguments(0, ',"b":2}'),
    ToolCallBegin(1, "2", "add"),
    ToolCallArguments(1, '{"a":3,"b":4}'),
    USAGE,
    Finish("tool_calls"),
]

NEVER = 1e9  # seconds


class House:
    """A server's turns on a database, and the next one's after a crash."""

    def __init__(self, store: Store, scripted: ScriptedProvider) -> None:
        self.store = store
        self.provider = scripted
        self.runs: list[tuple[int, int]] = []

        @tool
        async def add(a: int, b: int) -> int:
            """Add two numbers."""
            self.runs.append((a, b))
            return a + b

        self.log = Log(store.events, LogLimits(trim_interval=NEVER))
        self.toolbox = Toolbox([add])
        self.turns = Turns(
            TurnServices(
                store=store,
                provider=scripted,
                toolbox=self.toolbox,
                slots=asyncio.Semaphore(10),
                max_history_messages=20,
            ),
            self.log,
        )

    async def play(self, conversation_id: str) -> list[MessageEvent]:
        """A whole turn with reasoning, text, two tools at once, and text."""
        self.provider.script(ROUND, text("It is three."))
        question = Question(
            owner="ann",
            conversation_id=conversation_id,
            text=MESSAGE,
            client_message_id="sent",
            settings=AnswerSettings(model="scripted-1", tools=self.toolbox.specs()),
        )
        async with asyncio.timeout(WAIT_SECONDS):
            return [event.data async for event in await self.turns.stream(question, None)]


@pytest.fixture
async def house(database_url: str, scripted: ScriptedProvider) -> AsyncIterator[House]:
    store = await Store.open(database_url)
    house = House(store, scripted)
    await house.log.own()
    house.log.start()
    yield house
    async with asyncio.timeout(WAIT_SECONDS):
        await house.turns.drain(0)
        await house.log.close()
    await store.close()


class Crash:
    """A conversation as it is in the database after a crash."""

    def __init__(self, store: Store, conversation_id: str, turn_id: str) -> None:
        self.store = store
        self.conversation_id = conversation_id
        self.turn_id = turn_id

    @classmethod
    async def after(
        cls,
        store: Store,
        events: Sequence[MessageEvent],
        *,
        started: Sequence[str] = (),
        saved: Message | None = None,
    ) -> "Crash":
        """Crash once these events were stored, tools entered in the ledger, or the whole answer saved."""
        conversation = await store.conversations.create("ann", "Title")
        conversation_id, turn_id = conversation.id, f"turn{conversation.id}"
        user, answer = (
            Message(
                id=f"{role}{conversation_id}",
                conversation_id=conversation_id,
                turn_id=turn_id,
                role=role,
                status=status,
                content=content,
                parts=[TextPart(content=content)] if content else [],
                created_at=conversation.created_at,
                client_message_id=sent_as,
                model="scripted-1",
            )
            for role, status, content, sent_as in roles()
        )
        await store.messages.begin_turn("ann", user, answer)
        if saved is not None:
            await store.messages.save(
                msgspec.structs.replace(saved, id=answer.id, conversation_id=conversation_id)
            )
        written = [Written.of(conversation_id, n, turn_id, event) for n, event in enumerate(events, 1)]
        if written:
            await store.events.write(written)
        if started:
            await store.tool_runs.start(conversation_id, turn_id, [(each, "add") for each in started])
        return cls(store, conversation_id, turn_id)

    async def log(self) -> list[MessageEvent]:
        return [entry.data for entry in await self.store.events.turn(self.conversation_id, self.turn_id)]

    async def answer(self) -> Message:
        [_, answer] = await self.store.messages.turn(self.turn_id)
        return answer


def roles() -> list[tuple[Any, Any, str, str | None]]:
    return [("user", "ok", MESSAGE, "sent"), ("assistant", "streaming", "", None)]


def folded(events: Sequence[MessageEvent]) -> Fold:
    fold = Fold()
    for event in events:
        fold.apply(event)
    return fold


def in_short(events: Sequence[MessageEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


async def check_ended(crash: Crash) -> tuple[list[MessageEvent], Message]:
    """What has to be so after every crash."""
    log, answer = await crash.log(), await crash.answer()
    kinds = in_short(log)
    assert kinds.count("Complete") == 1
    assert kinds[-1] == "Complete"
    assert kinds.count("Start") == 1
    assert kinds[0] == "Start"
    assert kinds.count("Error") <= 1
    fold = folded(log)
    assert (answer.content, answer.parts) == (fold.content, fold.parts)
    complete = log[-1]
    assert isinstance(complete, Complete)
    assert (complete.status, complete.usage) == (answer.status, answer.usage)
    paid = [event for event in log if isinstance(event, UsageReport)]
    if answer.usage is None:
        assert paid == []
    else:
        assert answer.usage.output_tokens == sum(event.output_tokens for event in paid)
        assert answer.usage.estimated == any(event.estimated for event in paid)
    return log, answer


async def test_a_crash_at_any_event_ends_the_answer_as_far_as_it_had_come(house: House) -> None:
    conversation = await house.store.conversations.create("ann", "Title")
    events = await house.play(conversation.id)
    assert (len(house.runs), len(events)) == (2, 18)
    [_, whole] = await house.store.messages.history(conversation.id, limit=2)
    ran = [event.tool_call_id for event in events if isinstance(event, ToolCallComplete)]
    # The ledger is written between the round's usage and its first result.
    ledger = next(index for index, event in enumerate(events) if isinstance(event, UsageReport)) + 1
    crashes: list[tuple[int, bool, Crash]] = []
    for cut in range(len(events) + 1):
        for has_begun in {cut > ledger, cut >= ledger}:
            started = ran if has_begun else []
            crash = await Crash.after(house.store, events[:cut], started=started)
            crashes.append((cut, has_begun, crash))
    saved = await Crash.after(house.store, events[:-1], started=ran, saved=whole)
    # One of them has its `complete`, and only the message does not say so.
    assert (
        await house.turns.end_abandoned(await open_turns(house.store, house.store.events)) == len(crashes) + 1
    )
    for cut, has_begun, crash in crashes:
        log, answer = await check_ended(crash)
        assert log[:cut] == events[:cut]
        results = {each.tool_call_id: each for each in log if isinstance(each, ToolCallComplete)}
        if has_begun:
            assert results.keys() == set(ran)
        before = {each.tool_call_id for each in events[:cut] if isinstance(each, ToolCallComplete)}
        for call_id in results.keys() - before:
            assert (results[call_id].is_error, results[call_id].result) == (True, TOOL_CUT_OFF)
        if cut == len(events):
            assert answer.status == "ok"
        else:
            assert (answer.status, answer.error) == ("interrupted", CRASHED)
            assert Error(**msgspec.structs.asdict(CRASHED)) in log
    log, answer = await check_ended(saved)
    assert in_short(log) == in_short(events)
    assert (answer.status, answer.finish_reason, answer.usage) == ("ok", "stop", whole.usage)
    assert len(house.runs) == 2
    assert await house.turns.end_abandoned(await open_turns(house.store, house.store.events)) == 0


async def test_ending_what_has_ended_changes_nothing(house: House) -> None:
    crash = await Crash.after(house.store, [START, TextDelta(content="half")])
    assert await house.turns.end_abandoned(await open_turns(house.store, house.store.events)) == 1
    before = await crash.log(), await crash.answer()
    assert await house.turns.end_abandoned(await open_turns(house.store, house.store.events)) == 0
    assert (await crash.log(), await crash.answer()) == before


START = Start(turn_id="t", message_id="m", user_message_id="u", model="scripted-1")


@pytest.mark.parametrize(
    ("part", "method"),
    [("messages", "save"), ("events", "write"), ("tool_runs", "started"), ("events", "position")],
)
async def test_a_failure_while_ending_is_made_good_by_the_next_start(
    house: House, monkeypatch: pytest.MonkeyPatch, part: str, method: str
) -> None:
    call = [*in_round(), UsageReport(input_tokens=7, output_tokens=5, estimated=False)]
    crash = await Crash.after(house.store, call, started=["1"])

    async def fail(*_: Any, **__: Any) -> Any:
        raise StoreError("The database is busy or unavailable.")

    with monkeypatch.context() as broken:
        broken.setattr(getattr(house.store, part), method, fail)
        with pytest.raises(StoreError):
            await house.turns.end_abandoned(await open_turns(house.store, house.store.events))
    assert await house.turns.end_abandoned(await open_turns(house.store, house.store.events)) == 1
    log, answer = await check_ended(crash)
    assert [event.result for event in log if isinstance(event, ToolCallComplete)] == [TOOL_CUT_OFF]
    assert (answer.status, answer.error) == ("interrupted", CRASHED)


def in_round() -> list[MessageEvent]:
    return [
        START,
        ToolCallStart(tool_call_id="1", tool_name="add", index=0),
        ToolCallDelta(tool_call_id="1", args_delta='{"a":1,"b":2}'),
    ]


async def test_a_call_that_had_not_begun_is_left_undone(house: House) -> None:
    crash = await Crash.after(house.store, in_round())
    await house.turns.end_abandoned(await open_turns(house.store, house.store.events))
    _, answer = await check_ended(crash)
    assert answer.parts == [
        ToolCallPart(tool_call_id="1", tool_name="add", round=0, args={"a": 1, "b": 2}, done=False)
    ]
    assert answer.usage is not None
    assert answer.usage.estimated


BROKEN = Failure(code="BAD_GATEWAY", message="The model broke off.", retryable=True)


@pytest.mark.parametrize(
    ("said", "status", "failure"),
    [
        (Stopped(by="ann"), "stopped", None),
        (Error(code="BAD_GATEWAY", message="The model broke off.", retryable=True), "error", BROKEN),
    ],
)
async def test_an_end_that_was_said_stays_what_it_was(
    house: House, said: MessageEvent, status: str, failure: Failure | None
) -> None:
    usage = UsageReport(input_tokens=1, output_tokens=2, estimated=True)
    crash = await Crash.after(house.store, [START, TextDelta(content="half"), usage, said])
    await house.turns.end_abandoned(await open_turns(house.store, house.store.events))
    log, answer = await check_ended(crash)
    assert in_short(log) == ["Start", "TextDelta", "UsageReport", type(said).__name__, "Complete"]
    assert (answer.status, answer.error, answer.content) == (status, failure, "half")
    assert answer.usage == Usage(input_tokens=1, output_tokens=2, estimated=True)


async def test_several_open_turns_and_deleted_conversations(house: House) -> None:
    crashes = [await Crash.after(house.store, [START, TextDelta(content="half")]) for _ in range(3)]
    gone = crashes.pop()
    await house.store.conversations.delete("ann", gone.conversation_id, gone.turn_id)
    await house.store.events.write(
        [Written.of(gone.conversation_id, 3, gone.turn_id, TextDelta(content="late"))]
    )
    await house.store.events.delete_orphans()
    assert await house.turns.end_abandoned(await open_turns(house.store, house.store.events)) == 2
    for crash in crashes:
        await check_ended(crash)
    assert await gone.log() == []


async def test_who_sent_the_message_gets_its_answer_after_the_crash_and_no_other(house: House) -> None:
    crash = await Crash.after(house.store, [START, TextDelta(content="half")])
    await house.turns.end_abandoned(await open_turns(house.store, house.store.events))
    events = await house.play(crash.conversation_id)
    assert events == await crash.log()
    assert house.provider.prompts == []


async def test_numbers_go_on_after_a_crash(house: House) -> None:
    crash = await Crash.after(house.store, [START, TextDelta(content="half")])
    await house.turns.end_abandoned(await open_turns(house.store, house.store.events))
    log = await crash.log()
    question = Question(
        owner="ann",
        conversation_id=crash.conversation_id,
        text="And now?",
        client_message_id=None,
        settings=AnswerSettings(model="scripted-1"),
    )
    house.provider.script(text("Now."))
    async with asyncio.timeout(WAIT_SECONDS):
        events = [event async for event in await house.turns.stream(question, None)]
    assert events[0].id == f"{crash.conversation_id[:8]}.{len(log) + 1}"
    # The model sees what was said, and that the tool gave no result.
    assert [message.content for message in house.provider.prompts[0].messages] == [
        MESSAGE,
        "half",
        "And now?",
    ]


async def test_an_event_that_cannot_be_read_keeps_neither_the_server_from_starting_nor_others_from_ending(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as one of a newer version, which was there before."""
    store = await Store.open(settings.database_url)
    crashes = [await Crash.after(store, [START, TextDelta(content="half")]) for _ in range(3)]
    strange = crashes[1]
    await store.events.write(
        [Written(strange.conversation_id, 3, strange.turn_id, "citation", '{"type":"citation","url":"x"}')]
    )
    await store.close()
    server = ChatServer(settings, provider=ScriptedProvider())
    async with server.running():
        for crash in (crashes[0], crashes[2]):
            crash.store = server.store
            _, answer = await check_ended(crash)
            assert (answer.status, answer.content) == ("interrupted", "half")
        [_, answer] = await server.store.messages.turn(strange.turn_id)
        assert answer.status == "streaming"
    assert f"Turn {strange.turn_id} cannot be ended" in caplog.text
