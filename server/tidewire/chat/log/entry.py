"""An event's place in the log."""

import re
from functools import cached_property
from typing import NamedTuple

import msgspec

from tidewire.tracking import SharedEvent

from ..events import MessageEvent

# Eighteen digits are what fits a database's integer.
_ID = re.compile(r"([0-9a-z]{1,32})\.([0-9]{1,18})")


class EventId(NamedTuple):
    """Where an event stands: `<epoch>.<number>` on the wire."""

    epoch: str
    """Numbers of different epochs have nothing to do with each other."""
    number: int
    """From 1, without gaps within a conversation and an epoch."""

    def __str__(self) -> str:
        return f"{self.epoch}.{self.number}"

    @classmethod
    def parse(cls, text: str) -> "EventId | None":
        """Read an id, or None if it is not one of ours."""
        match = _ID.fullmatch(text)
        return None if match is None else cls(match[1], int(match[2]))


class Entry(msgspec.Struct, frozen=True, dict=True):
    """An event in its place."""

    id: EventId
    turn_id: str
    event: MessageEvent
    size: int
    """Characters of its JSON."""

    @cached_property
    def tracked(self) -> SharedEvent[MessageEvent]:
        """What readers get; all of them the same."""
        return SharedEvent(str(self.id), self.event)
