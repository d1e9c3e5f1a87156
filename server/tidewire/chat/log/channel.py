"""One conversation's events in memory: append, read after, follow."""

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator
from typing import NamedTuple

from ..events import MessageEvent

_ID = re.compile(r"([0-9a-z]{1,32})\.([0-9]{1,18})")


class EventId(NamedTuple):
    """Where an event stands: `<epoch>.<number>` on the wire."""

    epoch: str
    number: int
    """From 1, without gaps."""

    def __str__(self) -> str:
        return f"{self.epoch}.{self.number}"

    @classmethod
    def parse(cls, text: str) -> "EventId | None":
        """Read an id, or None if it is not one of ours."""
        match = _ID.fullmatch(text)
        return None if match is None else cls(match[1], int(match[2]))


class Entry(NamedTuple):
    """An event in its place."""

    id: EventId
    turn_id: str
    event: MessageEvent


class Channel:
    """The entries of one conversation, in one epoch.

    A new epoch begins with every channel, so that ids of an earlier one are never mistaken.
    """

    def __init__(self) -> None:
        self.epoch: str = secrets.token_hex(4)
        self.readers: int = 0
        self._entries: list[Entry] = []
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def last(self) -> EventId:
        """The id of the newest entry; number 0 before there is one."""
        return EventId(self.epoch, len(self._entries))

    def append(self, turn_id: str, event: MessageEvent) -> EventId:
        """Add an event, and wake whoever follows."""
        event_id = EventId(self.epoch, self.last.number + 1)
        self._entries.append(Entry(event_id, turn_id, event))
        waiting, self._waiting = self._waiting, []
        for reader in waiting:
            if not reader.done():  # it may have been cancelled
                reader.set_result(None)
        return event_id

    def has(self, event_id: EventId) -> bool:
        """Whether `event_id` is one of this epoch's, so that a reader can go on after it."""
        return event_id.epoch == self.epoch and event_id.number <= len(self._entries)

    def entry(self, event_id: EventId) -> Entry | None:
        """One entry, if it is here."""
        return self._entries[event_id.number - 1] if event_id.number and self.has(event_id) else None

    def start_of(self, turn_id: str) -> EventId | None:
        """The id before the turn's first entry, to follow the turn from."""
        for entry in self._entries:
            if entry.turn_id == turn_id:
                return EventId(self.epoch, entry.id.number - 1)
        return None

    async def follow(self, after: EventId) -> AsyncGenerator[Entry, None]:
        """Give every entry after `after`, those to come included; never ends by itself."""
        number = after.number
        self.readers += 1
        try:
            while True:
                while number < len(self._entries):
                    number += 1
                    yield self._entries[number - 1]
                waiter = asyncio.get_running_loop().create_future()
                self._waiting.append(waiter)
                await waiter
        finally:
            self.readers -= 1
