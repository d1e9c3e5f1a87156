"""A journal in memory that waits and fails when it is told to."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Sequence

import msgspec

from tests.tidewire.chat.scripted import WAIT_SECONDS
from tidewire.chat.events import Complete, MessageEvent, TextDelta
from tidewire.chat.log import Channel, Entry, EventId, Kept, Written
from tidewire.chat.store import StoreError

EPOCH = "0a1b2c3d"
UNAVAILABLE = StoreError("The database is busy or unavailable.")

decode = msgspec.json.Decoder(MessageEvent).decode


class MemoryJournal:
    """Keeps entries in lists, one for each conversation."""

    def __init__(self) -> None:
        self.entries: defaultdict[str, list[Entry]] = defaultdict(list)
        self.newest: defaultdict[str, int] = defaultdict(int)
        """The number of the newest entry that was written, kept or not."""
        self.groups: list[list[Written]] = []
        """What was written together."""
        self.reads = 0
        self.failures = 0
        """How many of the next calls fail."""
        self.failing_writes = 0
        """The same, for writes only."""
        self.gate: asyncio.Event | None = None
        """Writing waits for it."""
        self.writing = asyncio.Event()
        """A write has come to the gate."""

    def _fail_if_told(self) -> None:
        if self.failures:
            self.failures -= 1
            raise UNAVAILABLE

    async def position(self, conversation_id: str) -> EventId:
        self._fail_if_told()
        return EventId(EPOCH, self.newest[conversation_id])

    async def positions(self, conversation_ids: Sequence[str]) -> dict[str, int]:
        self._fail_if_told()
        return {each: self.newest[each] for each in conversation_ids}

    async def write(self, entries: Sequence[Written]) -> None:
        if self.gate is not None:
            self.writing.set()
            await self.gate.wait()
        await asyncio.sleep(0)
        self._fail_if_told()
        if self.failing_writes:
            self.failing_writes -= 1
            raise UNAVAILABLE
        self.keep(entries)
        self.groups.append(list(entries))

    def keep(self, entries: Sequence[Written]) -> None:
        for each in entries:
            assert each.number == self.newest[each.conversation_id] + 1
            place = EventId(EPOCH, each.number)
            entry = Entry.at(place, each.turn_id, decode(each.payload), len(each.payload))
            self.entries[each.conversation_id].append(entry)
            self.newest[each.conversation_id] = each.number

    async def read(self, conversation_id: str, after: int, *, limit: int, max_size: int) -> list[Entry]:
        self._fail_if_told()
        self.reads += 1
        found: list[Entry] = []
        size = 0
        for entry in self.entries[conversation_id]:
            if entry.place.number <= after:
                continue
            if len(found) == limit or (found and size >= max_size):
                break
            found.append(entry)
            size += entry.size
        await asyncio.sleep(0)
        return found

    async def before(self, conversation_id: str, turn_id: str) -> EventId | None:
        raise NotImplementedError

    async def turn(self, conversation_id: str, turn_id: str) -> list[Entry]:
        raise NotImplementedError

    async def open_turns(self) -> list[tuple[str, str]]:
        raise NotImplementedError

    async def delete(self, conversation_id: str) -> None:
        raise NotImplementedError

    async def kept(self) -> list[Kept]:
        self._fail_if_told()
        found: list[Kept] = []
        for conversation_id, entries in self.entries.items():
            size = 0
            for entry in entries:
                size += entry.size
                if isinstance(entry.data, Complete):
                    found.append(Kept(conversation_id, entry.place.number, size))
                    size = 0
        return found

    async def trim(self, turns: Sequence[Kept]) -> None:
        self._fail_if_told()
        for turn in turns:
            kept = [each for each in self.entries[turn.conversation_id] if each.place.number > turn.last]
            self.entries[turn.conversation_id] = kept


def word(content: str) -> TextDelta:
    return TextDelta(content=content)


def complete(turn_id: str = "turn") -> Complete:
    return Complete(message_id=turn_id, status="ok")


def add(channel: Channel, *words: str, turn: str = "turn") -> list[EventId]:
    return [channel.append(turn, word(each)) for each in words]


async def until(condition: Callable[[], bool]) -> None:
    """Let everything else run until this is so."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():
            await turn_of_the_loop()


async def turn_of_the_loop(count: int = 1) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def lists_of(channel: Channel, after: int) -> AsyncGenerator[Sequence[Entry]]:
    """What a reader gets that asks again and again."""
    while True:
        entries = await channel.read(after)
        yield entries
        after = entries[-1].place.number
