"""What the log forgets: turns that ended long ago, or are too many, piece by piece."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest

from tests.tidewire.chat.log.journal import (
    UNAVAILABLE,
    MemoryJournal,
    add,
    complete,
    turn_of_the_loop,
    until,
    word,
)
from tests.tidewire.chat.log.logs import NEVER, PATIENT, end, kept, written
from tests.tidewire.chat.scripted import WAIT_SECONDS
from tidewire.chat.log import Kept, Log, LogLimits, Written
from tidewire.chat.log import log as log_module


async def test_a_turn_is_forgotten_some_time_after_its_end(log: Log, journal: MemoryJournal) -> None:
    loop = asyncio.get_running_loop()
    async with log.channel("c") as channel:
        await end(channel)
        now = loop.time()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(loop, "time", lambda: now + NEVER / 2)
            await end(channel)
            await log.trim()
            assert kept(journal) == [1, 2]
            patched.setattr(loop, "time", lambda: now + NEVER)
            await log.trim()
            assert kept(journal) == [2]
            patched.setattr(loop, "time", lambda: now + NEVER * 2)
            await log.trim()
            assert kept(journal) == []


async def test_a_turn_under_way_is_not_forgotten(journal: MemoryJournal) -> None:
    log = Log(journal, LogLimits(retention=0, trim_interval=NEVER))
    await log.own()
    log.start()
    async with log.channel("c") as channel:
        add(channel, "a", turn="one")
        await end(channel, "one")
        add(channel, "b", turn="two")
        await written(channel)
        await log.trim()
        assert kept(journal) == [3]
    await log.close()


async def test_the_oldest_turns_of_all_go_first_when_they_are_too_large_together(
    journal: MemoryJournal,
) -> None:
    log = Log(journal, LogLimits(retention=NEVER, max_size=2500, trim_interval=NEVER))
    await log.own()
    log.start()
    async with log.channel("c") as one, log.channel("d") as other:
        for channel in (one, other, one):
            add(channel, "x" * 1000)
            await end(channel)
        await log.trim()
        assert (kept(journal, "c"), kept(journal, "d")) == ([3, 4], [1, 2])
    await log.close()


async def test_it_forgets_by_itself(journal: MemoryJournal) -> None:
    log = Log(journal, LogLimits(retention=0, trim_interval=0.0))
    await log.own()
    log.start()
    async with log.channel("c") as channel:
        await end(channel)
        await until(lambda: not kept(journal))
    await log.close()


async def test_what_was_kept_before_the_start_is_forgotten_too(journal: MemoryJournal) -> None:
    journal.keep([Written.of("c", 1, "one", complete("one")), Written.of("c", 2, "two", word("a"))])
    log = Log(journal, LogLimits(retention=0, trim_interval=NEVER))
    await log.own()
    log.start()
    assert kept(journal) == [1, 2]
    await log.trim()
    assert kept(journal) == [2]
    await log.close()


async def test_what_cannot_be_forgotten_does_not_stop_the_log(
    journal: MemoryJournal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    log = Log(journal, LogLimits(retention=0, trim_interval=NEVER))
    await log.own()
    log.start()
    async with log.channel("c") as channel:
        await end(channel)
        journal.failures = 1
        await log.trim()
        assert "could not be deleted" in caplog.text
        await end(channel)
        await log.trim()
        assert kept(journal) == []
    await log.close()


class OneAtATime(MemoryJournal):
    """Trims and writes in the order in which they came, as a file does, and notes which."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[int | str] = []
        """The number of turns of each trim, and writes between them."""
        self.trimming = asyncio.Event()
        self.failing_trims: set[int] = set()
        """Which trims fail, counted from 0 together with the writes."""
        self._turn = asyncio.Lock()

    async def write(self, entries: Sequence[Written]) -> None:
        async with self._turn:
            await super().write(entries)
            self.done.append("write")

    async def trim(self, turns: Sequence[Kept]) -> None:
        async with self._turn:
            self.trimming.set()
            await turn_of_the_loop(5)
            if len(self.done) in self.failing_trims:
                self.failing_trims.clear()
                raise UNAVAILABLE
            await super().trim(turns)
            self.done.append(len(turns))

    def keep_turns(self, count: int) -> None:
        """One short turn in each of so many conversations, all of one size."""
        for number in range(count):
            self.keep([Written.of(f"turn {number:03}", 1, "turn", complete())])

    @property
    def conversations(self) -> list[str]:
        return sorted(name for name, entries in self.entries.items() if entries)


@asynccontextmanager
async def forgetful(journal: OneAtATime, **limits: float) -> AsyncGenerator[Log]:
    log = Log(journal, msgspec.structs.replace(PATIENT, **limits))
    await log.own()
    log.start()
    yield log
    async with asyncio.timeout(WAIT_SECONDS):
        await log.close()


async def test_what_a_restart_makes_due_at_once_is_forgotten_in_pieces_and_who_writes_comes_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_module, "TRIMMED_AT_ONCE", 4, raising=False)
    journal = OneAtATime()
    journal.keep_turns(10)
    async with forgetful(journal, retention=0) as log, log.channel("c") as channel:
        trimming = asyncio.create_task(log.trim())
        await journal.trimming.wait()
        add(channel, "a")
        await written(channel)
        assert journal.done == [4, "write"]
        await trimming
    assert journal.done == [4, "write", 4, 2]
    assert journal.conversations == ["c"]


async def test_what_could_not_be_forgotten_is_the_next_time_and_still_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_module, "TRIMMED_AT_ONCE", 4, raising=False)
    journal = OneAtATime()
    journal.keep_turns(15)
    size = journal.entries["turn 000"][0].size
    async with forgetful(journal, max_size=5 * size) as log:
        journal.failing_trims = {1}
        await log.trim()
        assert journal.done == [4]
        await log.trim()
        assert journal.done == [4, 4, 2]
        newest = [f"turn {number:03}" for number in range(10, 15)]
        assert journal.conversations == newest
        async with log.channel("turn 015") as channel:
            await end(channel)
        await log.trim()
        assert journal.done == [4, 4, 2, "write", 1]
        assert journal.conversations == [*newest[1:], "turn 015"]
