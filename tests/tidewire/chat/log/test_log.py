"""The log: its channels, its start and its end, and other servers beside it."""

import asyncio
from contextlib import aclosing

import pytest

from tests.tidewire.chat.log.journal import (
    MemoryJournal,
    add,
    complete,
    lists_of,
    turn_of_the_loop,
    until,
    word,
)
from tests.tidewire.chat.log.logs import NEVER, PATIENT, end, kept, written
from tests.tidewire.chat.scripted import WAIT_SECONDS
from tidewire.chat.log import EventId, Log, LogEndedError, LogLimits, Written
from tidewire.chat.store import StoreError

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


async def test_who_follows_a_forgotten_conversation_reads_to_its_end(log: Log) -> None:
    async with log.channel("c") as channel:
        add(channel, "a")
        await written(channel)
        async with asyncio.timeout(WAIT_SECONDS), aclosing(lists_of(channel, 0)) as lists:
            assert len(await anext(lists)) == 1
            log.forget("c")
            with pytest.raises(LogEndedError):
                await anext(lists)


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


# ---------- starting and closing


async def test_a_journal_that_cannot_be_read_at_the_start_is_said(journal: MemoryJournal) -> None:
    journal.failures = 1
    with pytest.raises(StoreError):
        await Log(journal, PATIENT).own()


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
