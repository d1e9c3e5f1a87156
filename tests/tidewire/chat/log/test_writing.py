"""What the log writes: in groups, tried again, and given up where another server writes."""

import asyncio
from contextlib import aclosing
from math import inf

import pytest

from tests.tidewire.chat.log import journal as journal_module
from tests.tidewire.chat.log.journal import (
    MemoryJournal,
    add,
    complete,
    lists_of,
    turn_of_the_loop,
    until,
    word,
)
from tests.tidewire.chat.log.logs import NEVER, end, kept, written
from tidewire.chat.events import ToolCallComplete
from tidewire.chat.log import Log, LogGivenUpError, LogLimits, Written
from tidewire.chat.log import log as log_module


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
