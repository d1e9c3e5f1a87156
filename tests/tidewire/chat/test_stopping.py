"""Turns that are stopped in any phase, or whose database fails at any step."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

import pytest

from tests.tidewire.chat.house import House, read, said
from tests.tidewire.chat.scripted import (
    STOP,
    USAGE,
    WAIT_SECONDS,
    ScriptedProvider,
    Step,
    calls,
    text,
)
from tidewire import RPCError, Tracked
from tidewire.chat import turn as turn_module
from tidewire.chat.events import Complete, Error, MessageEvent, Stopped, TextDelta, ToolCallComplete
from tidewire.chat.fold import TOOL_CUT_OFF, Fold
from tidewire.chat.log import LogLimits
from tidewire.chat.models import Message, ReasoningPart, TextPart, ToolCallPart
from tidewire.chat.providers import Delta, Prompt, Reasoning, Text, ToolCallArguments, ToolCallBegin
from tidewire.chat.recovery import open_turns
from tidewire.chat.store import Store, StoreError
from tidewire.chat.tools import Tool, tool

BUSY = "The database is busy or unavailable."


class Latch:
    """A tool that runs until it is let go."""

    def __init__(self) -> None:
        self.running = asyncio.Event()
        self.released = asyncio.Event()
        self.runs = 0

    @property
    def tool(self) -> Tool[..., Any]:
        @tool(name="wait")
        async def wait() -> str:
            """Wait."""
            self.runs += 1
            self.running.set()
            await self.released.wait()
            return "done"

        return wait


@pytest.fixture
def latch() -> Latch:
    return Latch()


@pytest.fixture
async def house(database_url: str, scripted: ScriptedProvider, latch: Latch) -> AsyncIterator[House]:
    store = await Store.open(database_url)
    conversation = await store.conversations.create("ann", "Title")
    limits = LogLimits(trim_interval=1e9, retry_delays=(0.0,))
    house = House(store, scripted, conversation.id, tools=[latch.tool], limits=limits)
    await house.log.own()
    house.log.start()
    yield house
    await house.close()
    await store.close()


def check_whole(events: Sequence[Tracked[MessageEvent]], answer: Message) -> None:
    """One `complete`, last; the answer is what the events say."""
    counted = Counter(type(event.data) for event in events)
    assert counted[Complete] == 1
    complete = events[-1].data
    assert isinstance(complete, Complete)
    assert (complete.status, complete.usage) == (answer.status, answer.usage)
    fold = Fold()
    for event in events:
        fold.apply(event.data)
    assert (fold.parts, fold.content) == (answer.parts, answer.content)


# ---------- stopping

WAIT_CALL = ToolCallPart(tool_call_id="1", tool_name="wait", round=0)
CUT_OFF = ToolCallPart(
    tool_call_id="1",
    tool_name="wait",
    round=0,
    args={},
    result=TOOL_CUT_OFF,
    is_error=True,
    done=True,
    duration_ms=0,
)

PHASES: dict[str, tuple[list[list[Step | str]], list[Any], bool | None]] = {
    "before the first token": ([["gate"]], [], True),
    "reasoning": ([[Reasoning("hm"), "gate"]], [ReasoningPart(content="hm")], True),
    "text": ([[Text("one "), "gate"]], [TextPart(content="one ")], True),
    "tool arguments": (
        [[Text("a"), ToolCallBegin(0, "1", "wait"), ToolCallArguments(0, '{"x'), "gate"]],
        [TextPart(content="a"), ToolCallPart(tool_call_id="1", tool_name="wait", round=0, args='{"x')],
        True,
    ),
    "after usage": ([[Text("one"), USAGE, "gate"]], [TextPart(content="one")], False),
}


@pytest.mark.parametrize("phase", PHASES)
async def test_stopping_keeps_what_was_said(house: House, phase: str) -> None:
    scripts, parts, is_estimated = PHASES[phase]
    gate = asyncio.Event()
    house.provider.script(
        *([gate if isinstance(step, str) else step for step in script] for script in scripts)
    )
    sender = await house.at_gate()
    assert await house.turns.stop(house.conversation_id, by="ann")
    assert house.provider.open_streams == 0
    _, answer = await house.messages()
    assert (answer.status, answer.parts) == ("stopped", parts)
    assert answer.usage is not None
    assert answer.usage.estimated is is_estimated
    events = await read(sender)
    check_whole(events, answer)
    assert events[-2].data == Stopped(by="ann")


async def test_stopping_a_running_tool_reports_it_as_cut_off(house: House, latch: Latch) -> None:
    house.provider.script([Text("a"), *calls(("1", "wait", "{}"))])
    sender = await house.send()
    await latch.running.wait()
    assert await house.turns.stop(house.conversation_id, by="ann")
    _, answer = await house.messages()
    assert (answer.status, answer.parts) == ("stopped", [TextPart(content="a"), CUT_OFF])
    check_whole(await read(sender), answer)
    active = await house.store.tool_runs.started(answer.turn_id)
    assert (active, latch.runs) == ({"1"}, 1)


async def test_stopping_between_rounds_keeps_results(house: House, latch: Latch) -> None:
    latch.released.set()
    house.provider.script(calls(("1", "wait", "{}")), [asyncio.Event()])
    sender = await house.at_gate()
    assert await house.turns.stop(house.conversation_id, by="ann")
    _, answer = await house.messages()
    [part] = answer.parts
    assert isinstance(part, ToolCallPart)
    assert (answer.status, part.result, part.done) == ("stopped", "done", True)
    assert answer.usage is not None
    assert answer.usage.estimated
    check_whole(await read(sender), answer)


async def test_stopping_before_the_tools_of_a_round_run_leaves_them_undone(
    house: House, latch: Latch, monkeypatch: pytest.MonkeyPatch
) -> None:
    entering = asyncio.Event()

    async def start(*_: Any) -> None:
        entering.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(house.store.tool_runs, "start", start)
    house.provider.script(calls(("1", "wait", "{}")))
    sender = await house.send()
    await entering.wait()
    assert await house.turns.stop(house.conversation_id, by="ann")
    _, answer = await house.messages()
    assert [part.done for part in answer.parts if isinstance(part, ToolCallPart)] == [False]
    check_whole(await read(sender), answer)
    assert latch.runs == 0


async def test_stopping_while_the_log_is_behind_keeps_what_was_said(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidewire.chat.log.channel.MAX_PENDING", 0)
    write, gate, writing = house.store.events.write, asyncio.Event(), asyncio.Event()

    async def slowly(entries: Any) -> None:
        writing.set()
        await gate.wait()
        await write(entries)

    monkeypatch.setattr(house.store.events, "write", slowly)
    house.provider.script([Text("one "), Text("never "), STOP])
    sender = await house.send()
    await writing.wait()
    active = house.turns.active(house.conversation_id)
    assert active is not None
    async with asyncio.timeout(WAIT_SECONDS):
        while not active.message.content:
            await house.store.conversations.get("ann", house.conversation_id)
    stopping = asyncio.create_task(house.turns.stop(house.conversation_id, by="ann"))
    async with asyncio.timeout(WAIT_SECONDS):
        while house.provider.open_streams:
            await house.store.conversations.get("ann", house.conversation_id)
    # The upstream is closed although nothing can be stored yet.
    assert not stopping.done()
    gate.set()
    assert await stopping
    _, answer = await house.messages()
    assert (answer.status, answer.content) == ("stopped", "one ")
    assert answer.usage is not None
    assert answer.usage.estimated
    check_whole(await read(sender), answer)


async def test_a_stop_that_races_the_end_is_one_end(house: House) -> None:
    # However many steps of the loop the stop comes late by.
    ticks, statuses = 0, set[str]()
    while "ok" not in statuses:
        house.provider.script(text("one two"))
        sender = await house.send(f"message {ticks}")
        for _ in range(ticks):
            await asyncio.sleep(0)
        stopped = await house.turns.stop(house.conversation_id, by="ann")
        answer = (await house.messages())[-1]
        events = await read(sender)
        check_whole(events, answer)
        assert answer.status == ("stopped" if stopped else "ok")
        assert sum(isinstance(event.data, Stopped) for event in events) == stopped
        statuses.add(answer.status)
        ticks += 1 + ticks // 2
    assert statuses == {"stopped", "ok"}


# ---------- a database that fails


class Failing:
    """Makes a method of the store fail from some call on, a number of times."""

    def __init__(
        self, patch: pytest.MonkeyPatch, part: Any, method: str, *, skip: int = 0, times: int = 1
    ) -> None:
        self.calls = 0
        work = getattr(part, method)

        async def fail(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if skip < self.calls <= skip + times:
                raise StoreError(BUSY)
            return await work(*args, **kwargs)

        patch.setattr(part, method, fail)


async def test_a_turn_that_cannot_begin_leaves_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    Failing(monkeypatch, house.store.messages, "begin_turn")
    with pytest.raises(StoreError):
        await house.send("Hello", "id-1")
    assert (await house.messages(), house.turns.active(house.conversation_id)) == ([], None)
    house.provider.script(text("now"))
    check_whole(await house.ask("Hello", "id-1"), (await house.messages())[-1])
    assert len(house.provider.prompts) == 1


STEPS = [
    ("messages", "history"),
    ("tool_runs", "start"),
    ("messages", "save"),
]


@pytest.mark.parametrize(("part", "method"), STEPS)
async def test_a_failure_during_a_turn_is_one_end_with_a_typed_error(
    house: House, latch: Latch, monkeypatch: pytest.MonkeyPatch, part: str, method: str
) -> None:
    monkeypatch.setattr(turn_module, "STORE_RETRY", 0.0)
    latch.released.set()
    with monkeypatch.context() as broken:
        failing = Failing(broken, getattr(house.store, part), method, times=3 if method == "save" else 1)
        house.provider.script([Text("a"), *calls(("1", "wait", "{}"))], text("b"))
        events = await house.ask()
    assert failing.calls
    _, answer = await house.messages()
    check_whole(events, answer)
    errors = [event.data for event in events if isinstance(event.data, Error)]
    if method == "save":
        assert (answer.status, errors) == ("ok", [])
    else:
        assert answer.status == "error"
        assert [(error.code, error.retryable) for error in errors] == [("SERVICE_UNAVAILABLE", True)]
    assert latch.runs == (method == "save")
    house.provider.script(text("later"))
    check_whole(await house.ask("Next"), (await house.messages())[-1])


@pytest.mark.parametrize("skip", range(8))
async def test_a_log_that_fails_for_a_while_loses_nothing_that_was_shown(
    house: House, latch: Latch, monkeypatch: pytest.MonkeyPatch, skip: int
) -> None:
    monkeypatch.setattr(turn_module, "STORE_RETRY", 0.0)
    latch.released.set()
    Failing(monkeypatch, house.store.events, "write", skip=skip, times=3)
    house.provider.script([Text("a"), *calls(("1", "wait", "{}"))], text("b c d"))
    events = await house.ask()
    _, answer = await house.messages()
    assert sum(isinstance(event.data, Complete) for event in events) == 1
    assert isinstance(events[-1].data, Complete)
    # A tool that has run may have no result if just that could not be stored.
    done = [event.data for event in events if isinstance(event.data, ToolCallComplete)]
    assert latch.runs >= len(done)
    check_whole(events, answer)
    errors = [event.data.code for event in events if isinstance(event.data, Error)]
    assert errors == ([] if answer.status == "ok" else ["SERVICE_UNAVAILABLE"])
    house.provider.script(text("later"))
    check_whole(await house.ask("Next"), (await house.messages())[-1])


@pytest.mark.parametrize(
    ("part", "method", "skip"),
    [("events", "write", 0), ("events", "write", 1), ("events", "write", 3), ("messages", "save", 0)],
)
async def test_what_a_server_could_not_store_before_its_end_the_next_one_ends(
    house: House, latch: Latch, monkeypatch: pytest.MonkeyPatch, part: str, method: str, skip: int
) -> None:
    monkeypatch.setattr(turn_module, "STORE_PATIENCE", 0.05)
    monkeypatch.setattr(turn_module, "STORE_RETRY", 0.0)
    house = House(
        house.store,
        house.provider,
        house.conversation_id,
        tools=[latch.tool],
        limits=LogLimits(trim_interval=1e9, retry_delays=(0.0,), patience=0.0),
    )
    await house.log.own()
    house.log.start()
    with monkeypatch.context() as broken:
        Failing(broken, getattr(house.store, part), method, skip=skip, times=1 << 30)
        house.provider.script([Text("a"), *calls(("1", "wait", "{}"))])
        sender = await house.send()
        reading = asyncio.create_task(read(sender))
        running = asyncio.create_task(latch.running.wait())
        await asyncio.wait([reading, running], return_when=asyncio.FIRST_COMPLETED)
        running.cancel()
        async with asyncio.timeout(WAIT_SECONDS):
            await house.turns.drain(0)
        assert house.turns.active(house.conversation_id) is None
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await house.log.close()
    next_one = House(house.store, house.provider, house.conversation_id)
    assert await next_one.turns.end_abandoned(await open_turns(next_one.store, next_one.store.events)) == 1
    await next_one.log.own()
    next_one.log.start()
    _, answer = await next_one.messages()
    seen = await next_one.store.events.turn(house.conversation_id, answer.turn_id)
    kinds = Counter(type(entry.data) for entry in seen)
    assert (kinds[Complete], isinstance(seen[-1].data, Complete)) == (1, True)
    assert answer.status in ("interrupted", "error")
    assert latch.runs <= 1
    await next_one.close()


async def test_an_upstream_that_does_not_close_does_not_keep_the_server_from_ending(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_module, "STORE_PATIENCE", 0.0)
    waiting, closing = asyncio.Event(), asyncio.Event()

    async def stream(_: Prompt) -> AsyncGenerator[Sequence[Delta], None]:
        yield [Text("half ")]
        try:
            waiting.set()
            await asyncio.Event().wait()
        finally:
            await closing.wait()

    monkeypatch.setattr(house.provider, "stream", stream)
    events = await house.send()
    await waiting.wait()
    async with asyncio.timeout(WAIT_SECONDS):
        while not isinstance((await anext(events)).data, TextDelta):
            pass
        await house.turns.drain(0)
    assert house.turns.active(house.conversation_id) is None
    assert [message.status for message in await house.messages()] == ["ok", "streaming"]
    assert await house.turns.end_abandoned(await open_turns(house.store, house.store.events)) == 1
    assert (await house.messages())[-1].content == "half "
    closing.set()


@pytest.mark.parametrize("again", ["stop", "drain"])
async def test_being_told_twice_to_end_does_not_cut_the_clean_up_short(
    house: House, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    waiting, cleaning, clean = asyncio.Event(), asyncio.Event(), asyncio.Event()
    cleaned: list[bool] = []

    async def stream(_: Prompt) -> AsyncGenerator[Sequence[Delta], None]:
        yield [Text("half ")]
        try:
            waiting.set()
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await clean.wait()
            cleaned.append(True)

    monkeypatch.setattr(house.provider, "stream", stream)
    sender = await house.send()
    async with asyncio.timeout(WAIT_SECONDS):
        await waiting.wait()
        first = asyncio.create_task(house.turns.stop(house.conversation_id, by="ann"))
        await cleaning.wait()
        second = asyncio.create_task(
            house.turns.stop(house.conversation_id, by="bob") if again == "stop" else house.turns.drain(0)
        )
        for _ in range(5):
            await asyncio.sleep(0)
        clean.set()
        await asyncio.gather(first, second)
    assert cleaned == [True]
    events = await read(sender)
    assert events[-2].data == Stopped(by="ann")
    check_whole(events, (await house.messages())[-1])


async def test_a_turn_that_another_server_has_ended_ends_and_the_next_one_begins(house: House) -> None:
    """As after a pause so long that it did not count any more."""
    gate = asyncio.Event()
    house.provider.script([Text("one "), gate, *text("two")], text("three"))
    sender = await house.at_gate()
    turn = house.turns.active(house.conversation_id)
    assert turn is not None
    seen = [await anext(sender) for _ in range(2)]
    assert seen[-1].data == TextDelta(content="one ")
    reading = asyncio.create_task(read(sender))
    other = House(house.store, house.provider, house.conversation_id)
    assert await other.turns.end_abandoned([(house.conversation_id, turn.id)]) == 1
    gate.set()
    async with asyncio.timeout(WAIT_SECONDS):
        await turn.ended()
    assert house.turns.active(house.conversation_id) is None
    with pytest.raises(RPCError) as caught:
        await reading
    assert caught.value.code == "SERVICE_UNAVAILABLE"
    rest = await house.ask(after=seen[-1].id)
    _, answer = await house.messages()
    check_whole([*seen, *rest], answer)
    assert (answer.status, answer.content) == ("interrupted", "one ")
    events = await house.ask("Next")
    check_whole(events, (await house.messages())[-1])
    assert said(events) == "three"
