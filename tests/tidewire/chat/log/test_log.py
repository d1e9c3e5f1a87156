"""The log: written in groups, visible once durable, forgotten in time."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from math import inf

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tidewire.chat.log import journal as journal_module
from tests.tidewire.chat.log.journal import (
    UNAVAILABLE,
    MemoryJournal,
    add,
    complete,
    lists_of,
    turn_of_the_loop,
    until,
    word,
)
from tests.tidewire.chat.scripted import WAIT_SECONDS
from tidewire.chat.events import ToolCallComplete
from tidewire.chat.log import (
    Channel,
    Entry,
    EventId,
    Kept,
    Log,
    LogEndedError,
    LogGapError,
    LogGivenUpError,
    LogLimits,
    Written,
)
from tidewire.chat.log import channel as channel_module
from tidewire.chat.log import log as log_module
from tidewire.chat.store import StoreError

NEVER = 1e9  # seconds

PATIENT = LogLimits(
    retention=NEVER,
    interval=NEVER,
    retry_delays=(0.0,),
    patience=NEVER,
    trim_interval=NEVER,
    refresh_interval=NEVER,
)
"""Nothing happens by the clock."""


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
async def log(journal: MemoryJournal) -> AsyncIterator[Log]:
    log = Log(journal, PATIENT)
    await log.own()
    log.start()
    yield log
    async with asyncio.timeout(WAIT_SECONDS):
        await log.close()


async def written(channel: Channel, number: int | None = None) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        await channel.until(channel.appended if number is None else number)


async def end(channel: Channel, turn: str = "turn") -> None:
    channel.append(turn, complete(turn))
    await written(channel)


def kept(journal: MemoryJournal, conversation_id: str = "c") -> list[int]:
    return [entry.place.number for entry in journal.entries[conversation_id]]


# ---------- channels


async def test_all_that_join_a_conversation_at_once_get_the_same_channel(log: Log) -> None:
    first, *others = await asyncio.gather(*(log.join("c") for _ in range(5)))
    assert all(other is first for other in others)
    assert await log.join("d") is not first
    assert first.users == 5


async def test_who_knows_the_newest_entry_joins_without_asking(
    log: Log, journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def position(conversation_id: str) -> EventId:
        asked.set()
        await answer.wait()
        return EventId("epoch", 3)

    monkeypatch.setattr(journal, "position", position)
    opening = asyncio.create_task(log.join("c"))
    await asked.wait()
    channel = log.join_at("c", EventId("epoch", 5))
    answer.set()
    assert await opening is channel
    assert (channel.written, channel.users) == (5, 2)
    assert log.join_at("c", EventId("epoch", 7)) is channel
    assert (channel.written, channel.users) == (7, 3)


async def test_a_channel_is_let_go_of_when_nobody_holds_it_and_all_is_written(
    log: Log, journal: MemoryJournal
) -> None:
    channel = await log.join("c")
    journal.gate = asyncio.Event()
    add(channel, "a")
    log.leave(channel)
    assert await log.join("c") is channel
    log.leave(channel)
    journal.gate.set()
    await written(channel)
    async with log.channel("c") as fresh:
        assert fresh is not channel
        assert (fresh.appended, fresh.written) == (1, 1)


async def test_numbers_go_on_where_they_were(log: Log, journal: MemoryJournal) -> None:
    async with log.channel("c") as channel:
        add(channel, "a", "b")
        await end(channel)
    await journal.trim(await journal.kept())
    async with log.channel("c") as channel:
        assert [event_id.number for event_id in add(channel, "c")] == [4]


async def test_a_journal_that_cannot_be_read_is_said_to_who_joins(log: Log, journal: MemoryJournal) -> None:
    journal.failures = 1
    with pytest.raises(StoreError):
        await log.join("c")
    assert (await log.join("c")).users == 1


# ---------- writing in groups


async def test_the_first_piece_is_written_at_once_and_the_next_wait_for_news(
    log: Log, journal: MemoryJournal
) -> None:
    async with log.channel("c") as channel:
        add(channel, "a")
        await written(channel)
        add(channel, "b")
        add(channel, "c")
        await turn_of_the_loop(20)
        assert channel.written == 1
        await end(channel)
        assert [len(group) for group in journal.groups] == [1, 3]


async def test_pieces_do_not_wait_longer_than_the_interval(journal: MemoryJournal) -> None:
    log = Log(journal, LogLimits(interval=0.0))
    await log.own()
    log.start()
    async with log.channel("c") as channel:
        for piece in "abc":
            add(channel, piece)
            await written(channel)
    await log.close()
    assert kept(journal) == [1, 2, 3]


async def test_what_comes_while_a_group_is_written_is_written_together(
    log: Log, journal: MemoryJournal
) -> None:
    journal.gate = asyncio.Event()
    async with log.channel("c") as one, log.channel("d") as other:
        add(one, "a")
        await journal.writing.wait()
        for channel in (one, other):
            add(channel, *"bcd")
            channel.append("turn", complete())
        journal.gate.set()
        await written(one)
        await written(other)
    assert [[entry.conversation_id for entry in group] for group in journal.groups] == [
        ["c"],
        ["c"] * 4 + ["d"] * 4,
    ]


async def test_a_group_is_bounded_and_the_rest_follows(
    log: Log, journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "MAX_GROUP", 3)
    async with log.channel("c") as one, log.channel("d") as other:
        add(one, *"abcd")
        add(other, *"efg")
        await end(other)
        await written(one)
    assert [len(group) for group in journal.groups] == [3, 3, 2]


@pytest.mark.parametrize("error", [None, RuntimeError("a bug")])
async def test_what_cannot_be_written_is_tried_again_and_stays_in_order(
    log: Log,
    journal: MemoryJournal,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception | None,
) -> None:
    if error is not None:
        monkeypatch.setattr(journal_module, "UNAVAILABLE", error)
    async with log.channel("c") as channel:
        journal.failures = 3
        add(channel, "a", "b")
        await until(lambda: channel.failure is not None)
        add(channel, "c")
        await written(channel)
        assert channel.failure is None
    assert kept(journal) == [1, 2, 3]
    assert "could not be stored" in caplog.text


async def test_delays_between_attempts_grow_and_start_again_after_a_success(
    journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays: list[float] = []
    sleep = asyncio.sleep

    async def noted(delay: float) -> None:
        if delay not in (0, NEVER):
            delays.append(delay)
        await sleep(0)

    log = Log(journal, LogLimits(retry_delays=(0.1, 0.2), trim_interval=NEVER))
    await log.own()
    log.start()
    monkeypatch.setattr("tidewire.chat.log.log.asyncio.sleep", noted)
    async with log.channel("c") as channel:
        for failures in (3, 1):
            journal.failing_writes = failures
            await end(channel)
    monkeypatch.undo()
    await log.close()
    assert delays == [0.1, 0.2, 0.2, 0.1]


async def test_what_was_written_although_the_write_failed_is_not_written_again(
    log: Log, journal: MemoryJournal
) -> None:
    async with log.channel("c") as channel, log.channel("d") as other:
        journal.failing_writes = 1
        add(channel, "a", "b", "c")
        add(other, "x")
        journal.keep(channel.pending[:2])
        await written(channel)
        await written(other)
    assert (kept(journal), kept(journal, "d")) == ([1, 2, 3], [1])


async def test_a_channel_that_another_server_writes_is_given_up_and_no_other(
    log: Log, journal: MemoryJournal, caplog: pytest.LogCaptureFixture
) -> None:
    async with log.channel("c") as channel, log.channel("d") as other:
        journal.failing_writes = 1
        journal.keep([Written.of("c", 1, "another turn", word("theirs"))])
        add(channel, "a")
        add(other, "x")
        await written(other)
        await until(lambda: channel.given_up)
        add(channel, "b")
        await end(other)
    assert (kept(journal), kept(journal, "d")) == ([1], [1, 2])
    assert "Another server writes in conversation c" in caplog.text


async def test_who_follows_a_forgotten_conversation_reads_to_its_end(log: Log) -> None:
    async with log.channel("c") as channel:
        add(channel, "a")
        await written(channel)
        async with asyncio.timeout(WAIT_SECONDS), aclosing(lists_of(channel, 0)) as lists:
            assert len(await anext(lists)) == 1
            log.forget("c")
            with pytest.raises(LogEndedError):
                await anext(lists)


async def test_who_waits_in_a_channel_that_is_given_up_is_told_and_the_next_gets_another(
    log: Log, journal: MemoryJournal
) -> None:
    async with log.channel("c") as channel:
        journal.failing_writes = 1
        journal.keep([Written.of("c", 1, "another turn", word("theirs"))])
        add(channel, "a")
        with pytest.raises(LogGivenUpError):
            await written(channel)
        async with aclosing(lists_of(channel, 0)) as lists:
            with pytest.raises(LogGivenUpError):
                await anext(lists)
        async with log.channel("c") as fresh:
            assert fresh is not channel
            add(fresh, "b")
            await written(fresh)
            async with aclosing(lists_of(fresh, 0)) as lists:
                assert [entry.data for entry in await anext(lists)] == [word("theirs"), word("b")]
            # Whoever leaves the old one does not take the new one along.
            held = await log.join("c")
            assert held is fresh
    assert kept(journal) == [1, 2]


async def test_what_was_written_although_the_write_failed_is_known_whatever_json_makes_of_it(
    log: Log, journal: MemoryJournal
) -> None:
    odd = ToolCallComplete(
        tool_call_id="1", tool_name="f", args={"a": (1,)}, result=inf, is_error=False, duration_ms=0
    )
    async with log.channel("c") as channel:
        journal.failing_writes = 1
        channel.append("turn", odd)
        journal.keep(channel.pending)
        await written(channel)
        await end(channel)
    assert kept(journal) == [1, 2]


# ---------- closing


async def test_closing_writes_what_is_pending(journal: MemoryJournal) -> None:
    log = Log(journal, PATIENT)
    await log.own()
    log.start()
    channel = await log.join("c")
    add(channel, "a")
    await written(channel)
    add(channel, "b", "c")
    await log.close()
    assert kept(journal) == [1, 2, 3]


async def test_closing_ends_though_a_channel_is_given_up(journal: MemoryJournal) -> None:
    log = Log(journal, LogLimits(retry_delays=(0,), trim_interval=NEVER))
    await log.own()
    log.start()
    async with log.channel("c") as channel:
        journal.keep([Written.of("c", 1, "another turn", word("theirs"))])
        journal.failing_writes = 1
        add(channel, "a")
        async with asyncio.timeout(WAIT_SECONDS):
            await log.close()
        assert channel.given_up


async def test_closing_does_not_wait_for_a_journal_that_fails(
    journal: MemoryJournal, caplog: pytest.LogCaptureFixture
) -> None:
    log = Log(journal, PATIENT)
    await log.own()
    log.start()
    before = asyncio.all_tasks()
    channel = await log.join("c")
    journal.failures = 1 << 30
    add(channel, "a")
    async with asyncio.timeout(WAIT_SECONDS):
        await log.close()
    assert "could not be stored" in caplog.text
    assert kept(journal) == []
    assert asyncio.all_tasks() < before


# ---------- forgetting


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


async def test_a_journal_that_cannot_be_read_at_the_start_is_said(journal: MemoryJournal) -> None:
    journal.failures = 1
    with pytest.raises(StoreError):
        await Log(journal, PATIENT).own()


# ---------- other servers


async def test_what_another_server_writes_is_followed_until_this_one_is_alone(
    journal: MemoryJournal,
) -> None:
    log = Log(journal, PATIENT)
    log.share()
    log.start()
    async with log.channel("c") as channel:
        journal.keep([Written.of("c", 1, "one", word("a"))])
        await log.refresh(["c", "unknown"])
        assert channel.written == 1
        journal.keep([Written.of("c", 2, "one", complete("one"))])
        await log.own()
        assert channel.written == 2
        add(channel, "b", turn="two")
        await written(channel)
        assert kept(journal) == [1, 2, 3]
    await log.close()


async def test_a_server_is_alone_only_once_it_knows_what_there_is(journal: MemoryJournal) -> None:
    log = Log(journal, LogLimits(refresh_interval=0, trim_interval=NEVER))
    log.start()
    log.share()
    journal.keep([Written.of("c", 1, "one", complete("one"))])
    journal.failures = 1
    with pytest.raises(StoreError):
        await log.own()
    alone = [log.alone]
    async with log.channel("c") as channel:
        journal.keep([Written.of("c", 2, "two", word("a"))])
        await until(lambda: channel.written == 2)
    await log.own()
    assert [*alone, log.alone] == [False, True]
    await log.close()


async def test_a_finished_turn_does_not_stay_in_memory(journal: MemoryJournal) -> None:
    log = Log(journal, LogLimits(lag=0, trim_interval=NEVER))
    await log.own()
    log.start()
    async with log.channel("c") as channel:
        add(channel, "a", "b")
        await end(channel)
        await turn_of_the_loop(5)
        assert len(await channel.read(0)) == 3
        assert journal.reads == 1
    await log.close()


# ---------- whatever happens


class Reader:
    """Reads until it has all up to a number, or is told of a gap; checks what it gets.

    Follows the channel whenever it can, unless it takes nothing (`room` is 0); of `room` handovers it refuses
    the last.
    """

    def __init__(self, channel: Channel, journal: MemoryJournal, after: int, room: int) -> None:
        self.after = after
        self._room = room
        self._handovers = 0
        self._stopped = asyncio.Event()
        self.seen: list[int] = []
        self.has_gap = False
        self._channel = channel
        self._journal = journal
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while True:
                for entry in await self._channel.read(self._last):
                    self._see(entry)
                self._stopped.clear()
                if self._room and self._channel.follow(self, self._last):
                    await self._stopped.wait()
        except LogGapError:
            self.has_gap = True

    @property
    def _last(self) -> int:
        return self.seen[-1] if self.seen else self.after

    def _see(self, entry: Entry) -> None:
        # Durable before visible.
        assert entry.place.number <= self._journal.newest[self._channel.conversation_id]
        assert entry.data == word(str(entry.place.number)) or entry.data == complete()
        self.seen.append(entry.place.number)

    def take(self, entries: Sequence[Entry]) -> bool:
        self._handovers += 1
        if self._handovers % self._room == 0:
            self._stopped.set()
            return False
        for entry in entries:
            self._see(entry)
        return True

    def stop(self) -> None:
        self._stopped.set()

    async def finish(self, last: int) -> None:
        """Wait until it has all that it can get."""
        await until(lambda: self.task.done() or self._last >= last)
        if not self.has_gap:
            assert not self.task.done()
            self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=not self.has_gap)
        up_to = self.after + len(self.seen)
        assert self.seen == list(range(self.after + 1, up_to + 1))
        assert up_to == last or self.has_gap
        if self.has_gap:
            first = next(iter(kept(self._journal, self._channel.conversation_id)), last + 1)
            assert first > up_to + 1


STEPS = st.one_of(
    st.tuples(st.just("append"), st.sampled_from("cd"), st.integers(1, 8)),
    st.tuples(st.just("end"), st.sampled_from("cd"), st.just(0)),
    st.tuples(st.just("join"), st.sampled_from("cd"), st.integers(0, 100)),
    st.tuples(st.just("fail"), st.just(""), st.integers(1, 3)),
    st.tuples(st.just("wait"), st.just(""), st.integers(1, 12)),
    st.tuples(st.just("trim"), st.just(""), st.just(0)),
)

SMALL = {"TAIL": 4, "TAIL_SIZE": 300, "PAGE": 3, "PAGE_SIZE": 150}


@given(st.lists(STEPS, min_size=1, max_size=30), st.integers(1, 9))
def test_every_reader_gets_all_after_its_place_once_and_in_order_or_is_told_of_a_gap(
    steps: list[tuple[str, str, int]], group: int
) -> None:
    async def scenario() -> None:
        journal = MemoryJournal()
        log = Log(
            journal,
            LogLimits(retention=0, interval=0, retry_delays=(0,), patience=NEVER, trim_interval=NEVER),
        )
        await log.own()
        log.start()
        channels = {name: await log.join(name) for name in "cd"}
        readers: list[tuple[str, Reader]] = []
        for kind, name, amount in steps:
            match kind:
                case "append":
                    channel = channels[name]
                    for _ in range(amount):
                        channel.append("turn", word(str(channel.appended + 1)))
                case "end":
                    channels[name].append("turn", complete())
                case "join":
                    channel = channels[name]
                    after = round(channel.appended * amount / 100)
                    readers.append((name, Reader(channel, journal, after, room=amount % 4)))
                case "fail":
                    journal.failing_writes = amount
                case "trim":
                    await log.trim()
                case _:
                    await turn_of_the_loop(amount)
        for channel in channels.values():
            await end(channel)
        for name, reader in readers:
            await reader.finish(channels[name].appended)
        assert {name: journal.newest[name] for name in "cd"} == {
            name: channel.appended for name, channel in channels.items()
        }
        await log.close()

    with pytest.MonkeyPatch.context() as patched:
        for name, size in SMALL.items():
            patched.setattr(channel_module, name, size)
        patched.setattr(log_module, "MAX_GROUP", group)
        patched.setattr(log_module.logger, "disabled", True)
        asyncio.run(scenario())
