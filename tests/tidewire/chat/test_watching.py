"""Following a conversation: from now, from what `get` shows, and past what is kept."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from tests.tidewire.chat.house import House, read
from tests.tidewire.chat.scripted import USAGE, WAIT_SECONDS, ScriptedProvider, Step, text
from tidewire import RPCError, Tracked
from tidewire.chat import turns as turns_module
from tidewire.chat.events import (
    Complete,
    MessageEvent,
    ReasoningDelta,
    Snapshot,
    Start,
    TextDelta,
    ToolCallComplete,
    ToolCallDelta,
    ToolCallStart,
    UsageReport,
)
from tidewire.chat.fold import Fold
from tidewire.chat.models import Failure, Message, Part, ReasoningPart, TextPart, ToolCallPart
from tidewire.chat.providers import (
    Finish,
    ProviderError,
    Reasoning,
    Text,
    ToolCallArguments,
    ToolCallBegin,
)
from tidewire.chat.readers import Picture
from tidewire.chat.store import Page, Store, StoreError
from tidewire.chat.tools import tool
from tidewire.testing import Client

Events = list[Tracked[MessageEvent]]


class Watch:
    """A watcher that reads when it is asked to."""

    def __init__(self, events: AsyncIterator[Tracked[MessageEvent]]) -> None:
        self.events = events

    @classmethod
    async def of(cls, house: House, after: str | None = None) -> "Watch":
        return cls(await house.turns.watch(house.conversation_id, after))

    async def until_complete(self, turns: int = 1) -> Events:
        found: Events = []
        async with asyncio.timeout(WAIT_SECONDS):
            while turns:
                found.append(await anext(self.events))
                turns -= isinstance(found[-1].data, Complete)
        return found

    async def next(self) -> Tracked[MessageEvent]:
        async with asyncio.timeout(WAIT_SECONDS):
            return await anext(self.events)

    def reading(self, turns: int = 1) -> "asyncio.Task[Events]":
        return asyncio.create_task(self.until_complete(turns))


async def watching(house: House, after: str | None = None, turns: int = 1) -> "asyncio.Task[Events]":
    """A watcher that has begun to wait."""
    task = (await Watch.of(house, after)).reading(turns)
    await house.turns.picture(house.conversation_id, limit=1)
    return task


def contents(events: Events) -> list[str]:
    return [event.data.message.content for event in events if isinstance(event.data, Snapshot)]


async def test_who_watches_sees_every_turn_from_now_on_with_the_ids_of_its_sender(house: House) -> None:
    house.provider.script(text("zero"), text("one two"), text("three"))
    await house.ask("before")
    watches = [await Watch.of(house) for _ in range(2)]
    firsts = [await watch.next() for watch in watches]
    watchers = [watch.reading(turns=2) for watch in watches]
    sent = [*await house.ask("first"), *await house.ask("second")]
    for newest, watcher in zip(firsts, watchers, strict=True):
        rest = await watcher
        # The newest message, which gives an id to go on after from the first moment on.
        assert isinstance(newest.data, Snapshot)
        assert (newest.data.message.content, newest.id) == ("zero", newest.data.up_to)
        assert rest == sent


async def test_an_answer_under_way_comes_first_as_a_snapshot(house: House) -> None:
    gate = asyncio.Event()
    house.provider.script([Text("one "), gate, *text("two")])
    sender = await house.at_gate()
    watch = await Watch.of(house)
    snapshot = await watch.next()
    assert isinstance(snapshot.data, Snapshot)
    assert (snapshot.data.message.content, snapshot.data.message.status) == ("one ", "streaming")
    assert snapshot.id == snapshot.data.up_to
    gate.set()
    whole = await read(sender)
    rest = whole[[event.id for event in whole].index(snapshot.id) + 1 :]
    assert await watch.until_complete() == rest


async def test_who_comes_back_goes_on_after_any_event_over_several_turns(house: House) -> None:
    house.provider.script(text("one two"), text("three"))
    whole = [*await house.ask("first"), *await house.ask("second")]
    for position, event in enumerate(whole[:-1]):
        rest = whole[position + 1 :]
        turns = sum(isinstance(each.data, Complete) for each in rest)
        assert await (await Watch.of(house, event.id)).until_complete(turns) == rest


@pytest.mark.parametrize("after", ["", "nonsense", "0123abcd.1", "nowhere.0", "{epoch}.9999"])
async def test_an_id_of_no_use_gives_all_messages_and_then_what_comes(house: House, after: str) -> None:
    house.provider.script(text("one"), text("two"))
    await house.ask("first")
    watch = await Watch.of(house, after.format(epoch=house.conversation_id[:8]))
    snapshots = [await watch.next() for _ in range(2)]
    assert contents(snapshots) == ["first", "one"]
    following = watch.reading()
    assert await house.ask("second") == await following


async def test_who_is_cut_off_between_snapshots_gets_all_of_them_again(house: House) -> None:
    house.provider.script(text("one"))
    whole = await house.ask("first")
    snapshots = [await (await Watch.of(house, "nonsense")).next()]
    again = await Watch.of(house, snapshots[0].id)
    snapshots = [await again.next(), await again.next()]
    assert contents(snapshots) == ["first", "one"]
    assert snapshots[-1].id == whole[-1].id


async def test_beyond_what_is_kept_come_snapshots_and_then_events(house: House) -> None:
    house.provider.script(text("one"), text("two"), text("three"))
    [first, *_] = await house.ask("first")
    second = await house.ask("second")
    await house.log.trim()
    watch = await Watch.of(house, first.id)
    snapshots = [await watch.next() for _ in range(4)]
    assert contents(snapshots) == ["first", "one", "second", "two"]
    assert snapshots[-1].id == second[-1].id
    following = watch.reading()
    assert await house.ask("third") == await following


async def test_a_watcher_that_falls_behind_what_is_kept_loses_no_message(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidewire.chat.log.channel.TAIL", 1)
    gate = asyncio.Event()
    house.provider.script([Text("one "), gate, *text("1")], text("two"), text("three"))
    sender = await house.at_gate()
    watch = await Watch.of(house)
    assert contents([await watch.next()]) == ["one "]
    gate.set()
    await read(sender)
    for message in ("second", "third"):
        await house.ask(message)
    await house.log.trim()
    snapshots = [await watch.next() for _ in range(6)]
    assert contents(snapshots) == ["Hello", "one 1", "second", "two", "third", "three"]


async def fail(*_: Any, **__: Any) -> Any:
    raise StoreError("The database is busy or unavailable.")


async def test_a_database_that_fails_is_said_in_a_way_that_lets_clients_come_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.provider.script(text("one"))
    await house.ask("first")
    monkeypatch.setattr(house.store.messages, "page", fail)
    with pytest.raises(RPCError) as caught:
        await (await Watch.of(house, "nonsense")).next()
    assert caught.value.code == "SERVICE_UNAVAILABLE"


async def test_a_log_that_cannot_be_opened_is_said_in_a_way_that_lets_clients_come_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.provider.script(text("one"))
    events = await house.ask("first", "mine")
    turn = await house.send("first", "mine", events[1].id)
    watch = await Watch.of(house, events[1].id)
    monkeypatch.setattr(house.store.events, "position", fail)
    for reading in (anext(turn), watch.next()):
        with pytest.raises(RPCError) as caught:
            await reading
        assert caught.value.code == "SERVICE_UNAVAILABLE"


async def test_who_is_cut_off_before_anything_happened_loses_nothing(house: House) -> None:
    house.provider.script(text("zero"), text("one two"))
    await house.ask("first")
    [newest] = [await (await Watch.of(house)).next()]
    sent = await house.ask("second")
    assert await (await Watch.of(house, newest.id)).until_complete() == sent


@pytest.mark.parametrize(("size", "shown"), [(1, 1), (1_000, 1), (2_200, 2), (1 << 20, 6)])
async def test_snapshots_are_as_many_as_fit_and_the_newest_one_in_any_case(
    house: House, monkeypatch: pytest.MonkeyPatch, size: int, shown: int
) -> None:
    monkeypatch.setattr(turns_module, "SNAPSHOTS_SIZE", size, raising=False)
    for number in range(3):
        house.provider.script([Text(f"{number}" * 1_000)])
        await house.ask(f"{number + 3}" * 1_000)
    watch = await Watch.of(house, "nonsense")
    snapshots = [await watch.next() for _ in range(shown)]
    assert "".join(content[0] for content in contents(snapshots)) == "304152"[-shown:]
    house.provider.script(text("one"))
    following = watch.reading()
    # Nothing else came first.
    assert await house.ask("next") == await following


# ---------- with what `get` shows


class Reader:
    """A client that folds what it gets into what it was shown."""

    def __init__(self, picture: Picture) -> None:
        self.messages = {message.id: message for message in picture.messages}
        self.folds = {message.id: replayed(message) for message in picture.messages}
        self.answer: str | None = None if picture.turn is None else picture.turn.request.answer.id

    def take(self, event: MessageEvent) -> None:
        if isinstance(event, Start):
            self.answer = event.message_id
            assert event.message_id not in self.folds or not self.folds[event.message_id].parts
            self.folds[event.message_id] = Fold()
        assert self.answer is not None
        self.folds[self.answer].apply(event)


def replayed(message: Message) -> Fold:
    """A fold that stands where a message's parts do."""
    fold = Fold()
    for event in events_of(message):
        fold.apply(event)
    return fold


def events_of(message: Message) -> Sequence[MessageEvent]:
    """Events that lead to these parts, in the plainest way."""
    events: list[MessageEvent] = []
    usage = UsageReport(input_tokens=0, output_tokens=0, estimated=False)
    for part in message.parts:
        match part:
            case TextPart():
                events.append(TextDelta(content=part.content))
            case ReasoningPart():
                events.append(ReasoningDelta(content=part.content))
            case ToolCallPart():
                events.append(
                    ToolCallStart(tool_call_id=part.tool_call_id, tool_name=part.tool_name, index=0)
                )
                args = part.args if isinstance(part.args, str) else msgspec.json.encode(part.args).decode()
                if part.args is not None:
                    events.append(ToolCallDelta(tool_call_id=part.tool_call_id, args_delta=args))
                if part.done:
                    events.append(
                        ToolCallComplete(
                            tool_call_id=part.tool_call_id,
                            tool_name=part.tool_name,
                            args=part.args,
                            result=part.result,
                            is_error=part.is_error,
                            duration_ms=part.duration_ms or 0,
                        )
                    )
            case _:
                raise AssertionError(part)
    # A call that is done was made by a provider call that has ended.
    rounds = [part.done for part in message.parts if isinstance(part, ToolCallPart)]
    return [*events, usage] if rounds and all(rounds) else events


def without_rounds(parts: Sequence[Part]) -> list[Part]:
    """A reader cannot tell from a message which round is under way."""
    return [
        msgspec.structs.replace(part, round=0) if isinstance(part, ToolCallPart) else part for part in parts
    ]


async def test_what_get_shows_at_any_moment_and_what_follows_is_the_answer(
    database_url: str, scripted: ScriptedProvider
) -> None:
    @tool
    async def double(number: int) -> int:
        """Double a number."""
        return 2 * number

    gates = [asyncio.Event() for _ in range(9)]
    steps: list[Step] = [
        gates[0], Reasoning("hm "), gates[1], Reasoning("m"), gates[2], Text("Let me "), gates[3],
        Text("see. "), ToolCallBegin(0, "1", "double"), gates[4], ToolCallArguments(0, '{"number"'), gates[5],
        ToolCallArguments(0, ":4}"), gates[6], USAGE, Finish("tool_calls"),
    ]  # fmt: skip
    scripted.script(steps, [gates[7], Text("It is "), gates[8], *text("eight.")])
    store = await Store.open(database_url)
    house = House(store, scripted, (await store.conversations.create("ann", "Title")).id, tools=[double])
    await house.log.own()
    house.log.start()

    async def look() -> None:
        picture = await house.turns.picture(house.conversation_id, limit=10)
        assert (picture.turn is None) == (house.turns.active(house.conversation_id) is None)
        after = str(picture.position)
        taken.append((Reader(picture), await watching(house, after)))
        if picture.turn is not None:
            taken.append((Reader(picture), asyncio.create_task(read(await house.send(after=after)))))

    taken: list[tuple[Reader, asyncio.Task[Events]]] = []
    await look()
    sender = await house.send()
    await look()
    for gate in gates:
        async with asyncio.timeout(WAIT_SECONDS):
            await scripted.waiting.wait()
        scripted.waiting.clear()
        await look()
        gate.set()
    await read(sender)
    [_, answer] = await house.messages()
    assert (answer.status, answer.content) == ("ok", "Let me see. It is eight.")
    for reader, following in taken:
        for event in await following:
            reader.take(event.data)
        assert reader.answer == answer.id
        shown = reader.folds[answer.id]
        assert shown.content == answer.content
        assert without_rounds(shown.parts) == without_rounds(answer.parts)
    picture = await house.turns.picture(house.conversation_id, limit=10)
    assert picture.messages == await house.messages()
    await house.close()
    await store.close()


async def test_a_turn_that_begins_and_ends_while_get_looks_is_counted_as_seen(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.provider.script(text("one"), text("two"))
    await house.ask("first")
    page = house.store.messages.page
    asked: list[int] = []

    async def slowly(*args: Any, **kwargs: Any) -> Page[Message]:
        asked.append(1)
        if len(asked) == 1:
            await house.ask("second")
        return await page(*args, **kwargs)

    monkeypatch.setattr(house.store.messages, "page", slowly)
    picture = await house.turns.picture(house.conversation_id, limit=10)
    assert [message.content for message in picture.messages] == ["first", "one", "second", "two"]
    house.provider.script(text("three"))
    following = await watching(house, str(picture.position))
    assert await house.ask("third") == await following


async def test_get_at_the_end_of_a_turn_that_failed_shows_why(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, at_end, go = house.store.messages.save, asyncio.Event(), asyncio.Event()

    async def later(message: Message) -> bool:
        at_end.set()
        await go.wait()
        return await save(message)

    monkeypatch.setattr(house.store.messages, "save", later)
    house.provider.script([Text("one "), ProviderError("BAD_GATEWAY", "It broke.", retryable=True)])
    sender = await house.send()
    async with asyncio.timeout(WAIT_SECONDS):
        await at_end.wait()
    picture = await house.turns.picture(house.conversation_id, limit=10)
    answer = picture.messages[-1]
    assert (answer.status, answer.content) == ("streaming", "one ")
    # The event that tells of it is counted as seen.
    assert answer.error == Failure(code="BAD_GATEWAY", message="It broke.", retryable=True)
    following = await house.send(after=str(picture.position))
    go.set()
    whole = await read(sender)
    assert await read(following) == whole[-1:]


async def test_a_title_that_comes_while_get_looks_is_not_lost(
    client: Client, chat: Any, scripted: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = await client.mutate("conversations.create", {})
    input = {"conversationId": created["id"]}
    picture = chat.turns.picture

    async def after_a_turn(*args: Any, **kwargs: Any) -> Picture:
        async with client.subscribe("conversations.streamMessage", {**input, "message": "Hi"}) as events:
            async for _ in events:
                pass
        found: Picture = await picture(*args, **kwargs)
        return found

    monkeypatch.setattr(chat.turns, "picture", after_a_turn)
    state = await client.query("conversations.get", input)
    assert state["conversation"]["title"] == "Hi"
    assert len(state["messages"]) == 2


async def test_watch_is_a_subscription_that_clients_can_continue(
    client: Client, scripted: ScriptedProvider
) -> None:
    created = await client.mutate("conversations.create", {})
    input = {"conversationId": created["id"]}
    state = await client.query("conversations.get", input)
    scripted.script(text("one two"))
    async with client.subscribe("conversations.streamMessage", {**input, "message": "Hi"}) as events:
        sent = [event async for event in events]
    async with client.subscribe("conversations.watch", input, last_event_id=state["upTo"]) as events:
        assert [await anext(events) for _ in sent] == sent
