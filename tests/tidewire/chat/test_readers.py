"""Places in a turn, and what a reader gets where the log does not reach."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.tidewire.chat.house import House, read, said
from tests.tidewire.chat.log.journal import until
from tests.tidewire.chat.scripted import WAIT_SECONDS, text
from tidewire import RPCError, Tracked
from tidewire.chat.events import Complete, MessageEvent, Snapshot, TextDelta, UsageReport
from tidewire.chat.log import EventId
from tidewire.chat.log.coalescing import LAG
from tidewire.chat.models import Message
from tidewire.chat.providers import Text
from tidewire.chat.readers import Place, Readers, Reading
from tidewire.chat.store import Page, StoreError


@pytest.fixture
def readers(house: House) -> Readers:
    return Readers(house.store, house.log)


async def test_places_are_events_that_are_kept(house: House, readers: Readers) -> None:
    house.provider.script(text("one"), text("two"))
    events = [*await house.ask("first"), *await house.ask("second")]
    epoch = house.conversation_id[:8]
    places = [await readers.place(house.conversation_id, EventId(epoch, n)) for n in range(len(events) + 2)]
    assert (places[0], places[-1]) == (None, None)
    for event, place in zip(events, places[1:-1], strict=True):
        assert place is not None
        assert (str(place.after), place.at_end) == (event.id, isinstance(event.data, Complete))
    assert await readers.place(house.conversation_id, EventId("0123abcd", 1)) is None
    await house.log.trim()
    assert await readers.place(house.conversation_id, EventId(epoch, 1)) is None


async def test_a_turn_starts_in_the_log_or_in_the_store(house: House, readers: Readers) -> None:
    house.provider.script(text("one"))
    await house.ask()
    turn_id = (await house.messages())[0].turn_id
    place = await readers.start_of(house.conversation_id, turn_id)
    assert place == Place(turn_id, EventId(house.conversation_id[:8], 0))
    await house.log.trim()
    place = await readers.start_of(house.conversation_id, turn_id)
    assert place == Place(turn_id, EventId(turn_id, 0))


async def test_a_reader_that_falls_behind_what_is_kept_gets_the_rest_as_a_whole(
    house: House, readers: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidewire.chat.log.channel.TAIL", 1)
    monkeypatch.setattr("tidewire.chat.log.channel.PAGE", 2)
    house.provider.script(text("one two three"), text("next"))
    events = await house.send()
    seen = [await anext(events), await anext(events)]
    await house.ask()
    await house.ask("another")
    await house.log.trim()
    rest = await read(events)
    # What it has taken already comes first.
    *taken, snapshot, complete = rest
    assert len([*seen, *taken]) < 6
    assert isinstance(snapshot.data, Snapshot)
    assert snapshot.data.message.content == "one two three"
    assert isinstance(complete.data, Complete)
    assert await house.ask(after=snapshot.id) == [complete]


async def test_a_reader_that_lags_gets_fewer_events_that_say_the_same(house: House) -> None:
    gate = asyncio.Event()
    words = " ".join(str(number) for number in range(3 * LAG))
    house.provider.script([gate, *text(words)])
    quick = await house.at_gate()
    slow = await house.send()
    seen = [await anext(slow)]
    gate.set()
    whole = await read(quick)
    rest = await read(slow)
    assert said([*seen, *rest]) == said(whole) == words
    assert len(rest) < LAG
    assert rest[-1] == whole[-1]
    for event in rest:
        if isinstance(event.data, TextDelta):
            assert said(await house.ask(after=event.id)) == said(
                whole[[e.id for e in whole].index(event.id) + 1 :]
            )


@pytest.mark.parametrize(("has_cursor", "code"), [(True, "SERVICE_UNAVAILABLE"), (False, "TIMEOUT")])
async def test_what_cannot_be_read_is_an_error_that_a_client_repeats_only_with_an_id(
    house: House, readers: Readers, monkeypatch: pytest.MonkeyPatch, has_cursor: bool, code: str
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise StoreError("The database is busy or unavailable.")

    house.provider.script(text("one"))
    await house.ask()
    turn_id = (await house.messages())[0].turn_id
    in_log = await readers.start_of(house.conversation_id, turn_id)
    in_store = Place(turn_id, EventId(turn_id, 0))
    monkeypatch.setattr(house.store.events, "read", fail)
    monkeypatch.setattr(house.store.messages, "turn", fail)
    for place in (in_log, in_store):
        with pytest.raises(RPCError) as caught:
            await read(readers.turn(house.conversation_id, place, has_cursor=has_cursor))
        assert caught.value.code == code


async def test_a_reader_that_comes_when_only_the_answer_is_stored_waits_for_the_complete(
    house: House, readers: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, release = asyncio.Event(), asyncio.Event()
    save = house.store.messages.save

    async def save_and_wait(message: Message) -> bool:
        saved = await save(message)
        stored.set()
        await release.wait()
        return saved

    monkeypatch.setattr(house.store.messages, "save", save_and_wait)
    house.provider.script(text("one"))
    events = await house.send()
    async with asyncio.timeout(WAIT_SECONDS):
        await stored.wait()
        while not isinstance((last := await anext(events)).data, UsageReport):
            pass
    last_id = EventId.parse(last.id)
    assert last_id is not None
    place = await readers.place(house.conversation_id, last_id)
    assert place is not None
    late = asyncio.create_task(read(readers.turn(house.conversation_id, place, has_cursor=True)))
    # It looks at the answer, which takes a read, and then waits.
    await house.messages()
    await house.messages()
    release.set()
    assert await late == await read(events)


async def test_an_answer_that_was_deleted_is_not_found(house: House, readers: Readers) -> None:
    with pytest.raises(RPCError) as caught:
        await read(readers.turn(house.conversation_id, Place("gone", EventId("gone", 0)), has_cursor=True))
    assert caught.value.code == "NOT_FOUND"


async def test_whoever_has_read_the_end_gets_nothing_more(house: House) -> None:
    house.provider.script([Text("one"), *text("two")])
    whole = await house.ask()
    assert await house.ask(after=whole[-1].id) == []


# ---------- following


class Reader:
    """Reads to the end, by following whenever that is possible; of each handover it takes `room` at most."""

    def __init__(self, reading: Reading, room: int = 1000) -> None:
        self.seen: list[Tracked[MessageEvent]] = []
        self.handed = 0
        self.following = asyncio.Event()
        self._reading = reading
        self._room = room
        self._stopped = asyncio.Event()

    async def read(self) -> list[Tracked[MessageEvent]]:
        async with asyncio.timeout(WAIT_SECONDS):
            async for event in self._reading:
                self.seen.append(event)
                self._stopped.clear()
                if self._reading.follow(self._take, self._stopped.set):
                    self.following.set()
                    await self._stopped.wait()
        return self.seen

    def _take(self, events: Sequence[Tracked[MessageEvent]]) -> int:
        self.seen += events[: self._room]
        self.handed += len(events[: self._room])
        return min(self._room, len(events))


@pytest.mark.parametrize("room", [0, 1, 2, 1000])
async def test_who_follows_a_turn_sees_it_to_its_end(house: House, room: int) -> None:
    gate = asyncio.Event()
    house.provider.script([*text("one two"), gate, *text(" three four five six seven eight")])
    asked = await house.send()
    reader = Reader(await house.send(), room)
    reading = asyncio.create_task(reader.read())
    async with asyncio.timeout(WAIT_SECONDS):
        await house.provider.waiting.wait()
    gate.set()
    assert await reading == await read(asked)
    assert bool(reader.handed) == bool(room)


async def test_who_follows_a_turn_does_not_see_the_next(house: House) -> None:
    gate = asyncio.Event()
    house.provider.script([gate, *text("one")], text("two"))
    reading = asyncio.create_task(Reader(await house.at_gate()).read())
    gate.set()
    assert said(await reading) == "one"
    assert said(await house.ask("again")) == "two"


async def test_a_deleted_conversation_ends_who_waits_for_it(house: House) -> None:
    house.provider.script(text("one"))
    await house.ask()
    reading = await house.turns.watch(house.conversation_id, last_event_id=None)
    async with asyncio.timeout(WAIT_SECONDS):
        await anext(reading)
    rest = asyncio.create_task(read(reading))
    assert await house.turns.delete("ann", house.conversation_id)
    with pytest.raises(RPCError, match="deleted"):
        await rest


async def test_a_deleted_conversation_ends_who_follows_it(house: House) -> None:
    gate = asyncio.Event()
    house.provider.script([gate, *text("one"), asyncio.Event()])
    await house.at_gate()
    reader = Reader(await house.turns.watch(house.conversation_id, last_event_id=None))
    reading = asyncio.create_task(reader.read())
    # It follows once something has come that it has not been shown at the beginning.
    await until(lambda: bool(reader.seen))
    gate.set()
    async with asyncio.timeout(WAIT_SECONDS):
        await reader.following.wait()
    assert await house.turns.delete("ann", house.conversation_id)
    with pytest.raises(RPCError, match="deleted"):
        await reading


async def test_who_follows_a_turn_sees_its_end_though_others_are_looked_at_during_the_deletion(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = house.store.conversations.delete

    async def delete_and_look(owner: str, conversation_id: str, turn_id: str | None = None) -> bool:
        deleted = await delete(owner, conversation_id, turn_id)
        # As every fifth of a second, while there is another server.
        await house.log.refresh([conversation_id])
        return deleted

    monkeypatch.setattr(house.store.conversations, "delete", delete_and_look)
    house.provider.script([Text("one"), asyncio.Event()])
    reading = asyncio.create_task(read(await house.at_gate()))
    assert await house.turns.delete("ann", house.conversation_id)
    assert isinstance((await reading)[-1].data, Complete)


@pytest.mark.parametrize("has_cursor", [False, True])
@pytest.mark.parametrize("is_told_late", [False, True])
async def test_who_comes_while_a_conversation_is_deleted_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch, has_cursor: bool, is_told_late: bool
) -> None:
    house.provider.script(text("one"))
    after = (await house.ask())[0].id if has_cursor else None
    position = house.store.events.position

    async def late(conversation_id: str) -> EventId:
        """Find where the log is just before or just after the deletion, and tell it after that."""
        monkeypatch.undo()
        before = await position(conversation_id)
        assert await house.turns.delete("ann", conversation_id)
        return before if is_told_late else await position(conversation_id)

    reading = await house.turns.watch(house.conversation_id, last_event_id=after)
    monkeypatch.setattr(house.store.events, "position", late)
    with pytest.raises(RPCError, match="deleted"):
        await read(reading)


async def test_a_watcher_that_lags_is_told_of_another_servers_deletion(house: House) -> None:
    house.provider.script(text("one two three"))
    first, *_ = await house.ask()
    async with house.log.channel(house.conversation_id), asyncio.timeout(WAIT_SECONDS):
        assert await house.store.conversations.delete("ann", house.conversation_id)
        with pytest.raises(RPCError, match="deleted"):
            await read(await house.turns.watch(house.conversation_id, last_event_id=first.id))


async def test_a_conversation_that_is_deleted_while_a_watcher_looks_ends_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.provider.script(text("one"))
    await house.ask()
    page = house.store.messages.page

    async def late(conversation_id: str, *, limit: int, cursor: str | None = None) -> Page[Message]:
        await house.turns.delete("ann", conversation_id)
        return await page(conversation_id, limit=limit, cursor=cursor)

    monkeypatch.setattr(house.store.messages, "page", late)
    with pytest.raises(RPCError, match="deleted"):
        await read(await house.turns.watch(house.conversation_id, last_event_id=None))
