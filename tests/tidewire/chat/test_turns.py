"""Who starts a turn, who attaches to one, and what late readers get."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest

from tests.tidewire.chat.house import Events, House, read, said
from tests.tidewire.chat.scripted import WAIT_SECONDS, ScriptedProvider, text
from tidewire import RPCError
from tidewire.chat.events import Complete, Snapshot, Start, Stopped, Title
from tidewire.chat.models import Message
from tidewire.chat.providers import Text
from tidewire.chat.store import Begun, ConversationGoneError, StoreError

# ---------- starting


async def test_a_turn_is_read_from_start_to_complete(house: House) -> None:
    house.provider.script(text("Hello there"))
    events = await house.ask()
    assert isinstance(events[0].data, Start)
    assert [isinstance(event.data, Complete) for event in events] == [False] * (len(events) - 1) + [True]
    assert said(events) == "Hello there"
    numbers = [int(event.id.partition(".")[2]) for event in events]
    assert numbers == list(range(1, len(events) + 1))


async def test_once_complete_is_read_the_next_message_is_no_conflict(house: House) -> None:
    for message in ("one", "two", "three"):
        house.provider.script(text(message))
        events = await house.ask(message)
        assert said(events) == message
        assert house.turns.active(house.conversation_id) is None


async def test_the_same_client_message_id_is_one_message_and_one_call(house: House) -> None:
    house.provider.script(text("Hello there"))
    readers = await asyncio.gather(*(house.ask("Hello", "id-1") for _ in range(5)))
    assert all(events == readers[0] for events in readers)
    assert said(readers[0]) == "Hello there"
    assert len(house.provider.prompts) == 1
    assert [message.role for message in await house.messages()] == ["user", "assistant"]


async def test_a_message_id_stays_known_whatever_text_comes_with_it(house: House) -> None:
    house.provider.script(text("Hello there"))
    first = await house.ask("Hello", "id-1")
    assert await house.ask("Something else", "id-1") == first
    assert len(house.provider.prompts) == 1


async def test_the_same_text_attaches_while_it_is_being_answered_and_is_new_afterwards(house: House) -> None:
    gate = asyncio.Event()
    house.provider.script([Text("one "), gate, *text("more")], text("again"))
    first = await house.at_gate()
    second = await house.send()
    gate.set()
    assert await read(first) == await read(second)
    assert said(await house.ask()) == "again"
    assert len(await house.messages()) == 4


async def test_another_text_while_busy_is_a_conflict(house: House) -> None:
    house.provider.script([asyncio.Event()])
    await house.at_gate()
    with pytest.raises(RPCError) as caught:
        await house.send("Something else")
    assert caught.value.code == "CONFLICT"
    assert len(await house.messages()) == 2


async def test_only_one_of_several_messages_sent_at_once_is_answered(house: House) -> None:
    gate = asyncio.Event()
    house.provider.script([gate, *text("a")])
    results = await asyncio.gather(
        *(house.send(f"message {number}") for number in range(5)), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, RPCError)]
    assert [error.code for error in refused] == ["CONFLICT"] * 4
    gate.set()
    [events] = [result for result in results if not isinstance(result, BaseException)]
    assert said(await read(events)) == "a"


async def test_conversations_do_not_disturb_each_other(house: House, scripted: ScriptedProvider) -> None:
    house.provider.script([asyncio.Event()], text("free"))
    await house.at_gate()
    house.conversation_id = (await house.store.conversations.create("ann")).id
    assert said(await house.ask("Something else")) == "free"


async def test_a_conversation_that_is_gone_is_not_found(house: House) -> None:
    await house.store.conversations.delete("ann", house.conversation_id)
    with pytest.raises(RPCError) as caught:
        await house.send()
    assert caught.value.code == "NOT_FOUND"
    assert house.turns.active(house.conversation_id) is None


async def test_a_database_that_cannot_begin_a_turn_leaves_none_behind(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise StoreError("The database is busy or unavailable.")

    with monkeypatch.context() as broken:
        broken.setattr(house.store.messages, "begin_turn", fail)
        with pytest.raises(StoreError):
            await house.send()
    house.provider.script(text("now"))
    assert said(await house.ask()) == "now"


def lose_the_word(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have turns begin, and be told that they did not, as when a connection breaks at the commit."""
    messages = house.store.messages

    def lost(begin: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def begins(*arguments: Any) -> Any:
            await begin(*arguments)
            raise StoreError("The database is busy or unavailable.")

        return begins

    monkeypatch.setattr(messages, "begin_turn", lost(messages.begin_turn))
    monkeypatch.setattr(messages, "begin_again", lost(messages.begin_again))


async def test_a_turn_is_answered_though_the_word_that_it_is_stored_got_lost(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.provider.script(text("one"), text("two"), text("three"))
    with monkeypatch.context() as losing:
        lose_the_word(house, losing)
        first = await house.ask("Hello", "id-1")
        question, answer = await house.messages()
        assert (said(first), answer.status) == ("one", "ok")
        again = await read(await house.regenerate(question.id, "id-2", message="Edited"))
        assert said(again) == "two"
    assert [message.content for message in await house.messages()] == ["Edited", "two"]
    assert await read(await house.regenerate(question.id, "id-2")) == again
    assert said(await house.ask("Next", "id-3")) == "three"
    assert len(house.provider.prompts) == 3


async def test_a_stop_ends_what_is_stored_as_under_way_and_is_not(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(turn_id: str) -> None:
        raise StoreError("The database is busy or unavailable.")

    with monkeypatch.context() as losing:
        lose_the_word(house, losing)
        losing.setattr(house.store.messages, "turn", fail)
        with pytest.raises(StoreError):
            await house.send("Hello", "id-1")
    assert not await house.turns.stop(house.conversation_id, by="ann")
    assert [message.status for message in await house.messages()] == ["ok", "interrupted"]
    assert isinstance((await house.ask("Hello", "id-1"))[-1].data, Complete)
    assert house.provider.prompts == []


# ---------- titles


async def test_a_title_is_given_once_and_never_over_one_that_is_there(house: House) -> None:
    def titles(events: Events) -> list[str]:
        return [event.data.title for event in events if isinstance(event.data, Title)]

    house.provider.script(text("a"), text("b"), text("c"))
    assert titles(await house.ask("Named already")) == []
    untitled = await house.store.conversations.create("ann")
    house.conversation_id = untitled.id
    events = await house.ask("First\nof all")
    assert [type(event.data) for event in events[:2]] == [Start, Title]
    assert titles(events) == ["First"]
    assert titles(await house.ask("Second")) == []
    found = await house.store.conversations.get("ann", untitled.id)
    assert found is not None
    assert found.title == "First"


# ---------- what happens while a turn begins


class SlowBeginning:
    """Holds `begin_turn` once the messages are stored, as a busy machine may."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stored = asyncio.Event()
        self.gate = asyncio.Event()
        self._begin_turn = house.store.messages.begin_turn
        monkeypatch.setattr(house.store.messages, "begin_turn", self._begin)

    async def _begin(self, owner: str, user: Message, answer: Message, title: str) -> Begun:
        begun = await self._begin_turn(owner, user, answer, title)
        self.stored.set()
        await self.gate.wait()
        return begun


@pytest.fixture
def beginning(house: House, monkeypatch: pytest.MonkeyPatch) -> SlowBeginning:
    return SlowBeginning(house, monkeypatch)


async def test_a_sender_that_leaves_while_its_turn_begins_has_it_answered_all_the_same(
    house: House, beginning: SlowBeginning
) -> None:
    house.provider.script(text("Hello there"))
    sending = asyncio.create_task(house.send("Hello", "id-1"))
    await beginning.stored.wait()
    sending.cancel()
    await asyncio.wait([sending])
    beginning.gate.set()
    assert said(await house.ask("Hello", "id-1")) == "Hello there"
    assert len(house.provider.prompts) == 1


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (ConversationGoneError(), []),
        (StoreError("The database is busy."), ["A message could not be taken whose sender has gone"]),
    ],
)
async def test_of_what_is_refused_to_a_sender_that_has_left_only_failures_are_told(
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    logged: list[str],
) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def refuse(owner: str, user: Message, answer: Message, title: str) -> Begun:
        asked.set()
        await go.wait()
        raise error

    monkeypatch.setattr(house.store.messages, "begin_turn", refuse)
    sending = asyncio.create_task(house.send())
    await asked.wait()
    sending.cancel()
    await asyncio.wait([sending])
    go.set()
    await house.turns.drain(grace=0)
    # A task whose failure nobody has asked for says so when it goes.
    del sending
    gc.collect()
    assert [record.getMessage() for record in caplog.records] == logged


async def test_a_stop_that_comes_while_a_turn_begins_stops_it(house: House, beginning: SlowBeginning) -> None:
    house.provider.script([asyncio.Event()])
    sending = asyncio.create_task(house.send())
    await beginning.stored.wait()
    stopping = asyncio.create_task(house.turns.stop(house.conversation_id, by="ann"))
    await asyncio.sleep(0)
    beginning.gate.set()
    assert await stopping
    assert isinstance((await read(await sending))[-2].data, Stopped)


async def test_a_deletion_that_comes_while_a_turn_begins_stops_it(
    house: House, beginning: SlowBeginning
) -> None:
    house.provider.script([asyncio.Event()])
    sending = asyncio.create_task(house.send())
    await beginning.stored.wait()
    deleting = asyncio.create_task(house.turns.delete("ann", house.conversation_id))
    await asyncio.sleep(0)
    beginning.gate.set()
    reading = asyncio.create_task(read(await sending))
    assert await deleting
    assert isinstance((await reading)[-2].data, Stopped)


async def test_a_reader_that_begins_after_the_deletion_is_told_so(house: House) -> None:
    house.provider.script([asyncio.Event()])
    events = await house.at_gate()
    await house.turns.delete("ann", house.conversation_id)
    with pytest.raises(RPCError) as caught:
        await read(events)
    assert caught.value.code == "NOT_FOUND"


@pytest.mark.parametrize("is_deleted", [True, False])
async def test_a_deletion_is_made_whole_though_the_word_of_it_got_lost(
    house: House, monkeypatch: pytest.MonkeyPatch, is_deleted: bool
) -> None:
    delete = house.store.conversations.delete

    async def lost(owner: str, conversation_id: str, turn_id: str | None = None) -> bool:
        if is_deleted:
            await delete(owner, conversation_id, turn_id)
        raise StoreError("The database is busy or unavailable.")

    monkeypatch.setattr(house.store.conversations, "delete", lost)
    house.provider.script([Text("one"), asyncio.Event()])
    events = await house.at_gate()
    if is_deleted:
        reading = asyncio.create_task(read(events))
        assert await house.turns.delete("ann", house.conversation_id)
        await asyncio.wait([reading])
        assert house.turns.active(house.conversation_id) is None
    else:
        with pytest.raises(StoreError):
            await house.turns.delete("ann", house.conversation_id)
        assert house.turns.active(house.conversation_id) is not None


async def test_closing_waits_for_a_turn_that_begins_and_interrupts_it(
    house: House, beginning: SlowBeginning
) -> None:
    house.provider.script([asyncio.Event()])
    sending = asyncio.create_task(house.send())
    await beginning.stored.wait()
    closing = asyncio.create_task(house.turns.drain(grace=0))
    await asyncio.sleep(0)
    beginning.gate.set()
    await closing
    await asyncio.wait([sending])
    assert [message.status for message in await house.messages()] == ["ok", "interrupted"]


# ---------- coming back


async def test_a_reader_goes_on_after_any_event(house: House) -> None:
    house.provider.script(text("one two three"))
    whole = await house.ask()
    for position, event in enumerate(whole):
        assert await house.ask("whatever", after=event.id) == whole[position + 1 :]
    assert len(house.provider.prompts) == 1


async def test_a_reader_goes_on_while_the_turn_does(house: House) -> None:
    gate = asyncio.Event()
    house.provider.script([Text("one "), gate, Text("two "), *text("three")])
    first = await house.at_gate()
    seen = [await anext(first), await anext(first)]
    rest = await house.send(after=seen[-1].id)
    gate.set()
    assert said([*seen, *await read(rest)]) == "one two three"


async def test_a_reader_of_one_turn_gets_nothing_of_the_next(house: House) -> None:
    house.provider.script(text("one"), text("two"))
    first = await house.ask("first")
    await house.ask("second")
    assert await house.ask("first", after=first[0].id) == first[1:]


async def test_a_turn_whose_events_are_gone_is_given_as_a_snapshot(house: House) -> None:
    house.provider.script(text("Hello there"))
    seen = await house.ask("Hello", "id-1")
    await house.log.trim()
    for after in (None, seen[1].id, "0123abcd.7", "nonsense"):
        snapshot, complete = await house.ask("Hello", "id-1", after=after)
        assert isinstance(snapshot.data, Snapshot)
        assert (snapshot.data.message.content, snapshot.data.message.status) == ("Hello there", "ok")
        assert snapshot.data.up_to == snapshot.id
        assert complete.data == seen[-1].data
        assert await house.ask("Hello", after=snapshot.id) == [complete]
        assert await house.ask("Hello", after=complete.id) == []
    assert len(house.provider.prompts) == 1


async def test_without_a_message_id_the_newest_turn_with_this_text_is_continued(house: House) -> None:
    house.provider.script(text("one"), text("two"), text("three"))
    for message in ("Hello", "Hello", "Bye"):
        await house.ask(message)
    await house.log.trim()
    snapshot, _ = await house.ask("Hello", after="0123abcd.7")
    assert isinstance(snapshot.data, Snapshot)
    assert snapshot.data.message.content == "two"


async def test_a_reader_from_another_epoch_gets_the_active_turn_from_its_start(house: House) -> None:
    gate = asyncio.Event()
    house.provider.script([Text("one "), gate, *text("two")])
    first = await house.at_gate()
    late = await house.send(after="0123abcd.7")
    gate.set()
    assert await read(late) == await read(first)


@pytest.mark.parametrize("after", ["0123abcd.7", "nonsense", ""])
async def test_nothing_is_started_for_a_reader_that_goes_on(house: House, after: str) -> None:
    with pytest.raises(RPCError) as caught:
        await house.send("never sent", after=after)
    assert caught.value.code == "NOT_FOUND"
    assert await house.messages() == []


# ---------- leaving and stopping


async def test_a_reader_that_leaves_stops_nothing(house: House) -> None:
    gate = asyncio.Event()
    house.provider.script([Text("one "), gate, *text("two")])
    events = await house.at_gate()
    async with aclosing(events) as leaving:
        await anext(leaving)
    gate.set()
    assert said(await house.ask()) == "one two"


async def test_stopping_without_a_turn_says_so(house: House) -> None:
    assert not await house.turns.stop(house.conversation_id, by="ann")


async def test_stopping_is_seen_by_all_readers(house: House) -> None:
    house.provider.script([Text("one "), asyncio.Event()])
    first = await house.at_gate()
    second = await house.send()
    assert await house.turns.stop(house.conversation_id, by="ann")
    one, two = await read(first), await read(second)
    assert one == two
    assert one[-2].data == Stopped(by="ann")
    assert house.provider.open_streams == 0


# ---------- closing


async def test_closing_lets_a_turn_end_by_itself(house: House) -> None:
    gate = asyncio.Event()
    house.provider.script([gate, *text("done")])
    await house.at_gate()
    closing = asyncio.create_task(house.turns.drain(grace=WAIT_SECONDS))
    await asyncio.sleep(0)
    gate.set()
    await closing
    assert [message.status for message in await house.messages()] == ["ok", "ok"]


async def test_closing_interrupts_what_is_left_and_tells_its_readers(house: House) -> None:
    house.provider.script([Text("half "), asyncio.Event()])
    events = await house.at_gate()
    await house.turns.drain(grace=0)
    _, answer = await house.messages()
    assert (answer.status, answer.content) == ("interrupted", "half ")
    assert isinstance((await read(events))[-1].data, Complete)
    assert house.provider.open_streams == 0


async def test_closing_leaves_no_task_behind(house: House) -> None:
    before = asyncio.all_tasks()
    house.provider.script(text("one"), [asyncio.Event()])
    await house.ask("one")
    await house.at_gate()
    await house.turns.drain(grace=0)
    assert asyncio.all_tasks() == before
