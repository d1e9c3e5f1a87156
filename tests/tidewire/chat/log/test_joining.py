"""Who opens a conversation's channel, and what is written in it meanwhile."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.tidewire.chat.log.journal import EPOCH, MemoryJournal, add
from tests.tidewire.chat.scripted import WAIT_SECONDS
from tidewire.chat.log import Channel, EventId, Log, LogLimits, Written
from tidewire.chat.store import StoreError


class SlowJournal(MemoryJournal):
    """Finds where a conversation is, and tells it when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.found = asyncio.Event()
        self.may_tell = asyncio.Event()

    async def position(self, conversation_id: str) -> EventId:
        position = await super().position(conversation_id)
        self.found.set()
        await self.may_tell.wait()
        return position


@pytest.fixture
def journal() -> SlowJournal:
    return SlowJournal()


@pytest.fixture
async def log(journal: SlowJournal) -> AsyncIterator[Log]:
    log = Log(journal, LogLimits(trim_interval=1e9))
    await log.own()
    log.start()
    yield log
    async with asyncio.timeout(WAIT_SECONDS):
        await log.close()


@pytest.fixture
async def opening(log: Log, journal: SlowJournal) -> "asyncio.Task[Channel]":
    """Somebody who opens a channel, and is to be told that nothing has been written yet."""
    opening = asyncio.create_task(log.join("c"))
    await journal.found.wait()
    return opening


async def write(log: Log, *words: str) -> None:
    """Join as a turn does, write, and leave."""
    channel = log.join_at("c", EventId(EPOCH, 0))
    add(channel, *words)
    async with asyncio.timeout(WAIT_SECONDS):
        await channel.until(channel.appended)
    log.leave(channel)


async def test_who_opens_a_channel_sees_what_was_written_in_one_that_came_and_went(
    log: Log, journal: SlowJournal, opening: "asyncio.Task[Channel]"
) -> None:
    await write(log, "one", "two")
    journal.may_tell.set()
    channel = await opening
    async with asyncio.timeout(WAIT_SECONDS):
        assert [entry.place.number for entry in await channel.read(0)] == [1, 2]


async def test_who_opens_a_channel_sees_what_was_written_past_the_log(
    log: Log, journal: SlowJournal, opening: "asyncio.Task[Channel]"
) -> None:
    journal.keep([Written("c", 1, "turn", "text_delta", '{"type":"text_delta","content":"one"}')])
    await log.refresh(["c"])
    journal.may_tell.set()
    channel = await opening
    async with asyncio.timeout(WAIT_SECONDS):
        assert [entry.place.number for entry in await channel.read(0)] == [1]


async def test_who_cannot_open_a_channel_leaves_nothing_behind(log: Log, journal: SlowJournal) -> None:
    journal.failures = 1
    with pytest.raises(StoreError):
        await log.join("c")
    await write(log, "one")
    journal.may_tell.set()
    channel = await log.join("c")
    assert channel.written == 1
