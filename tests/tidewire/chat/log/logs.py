"""Limits under which nothing happens by the clock, and what a test waits for and sees of a log."""

import asyncio

from tests.tidewire.chat.log.journal import MemoryJournal, complete
from tests.tidewire.chat.scripted import WAIT_SECONDS
from tidewire.chat.log import Channel, LogLimits

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


async def written(channel: Channel, number: int | None = None) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        await channel.until(channel.appended if number is None else number)


async def end(channel: Channel, turn: str = "turn") -> None:
    channel.append(turn, complete(turn))
    await written(channel)


def kept(journal: MemoryJournal, conversation_id: str = "c") -> list[int]:
    return [entry.place.number for entry in journal.entries[conversation_id]]
