"""An event's place in the log."""

import re

import msgspec

from tidewire.tracking import SharedEvent

from ..events import MessageEvent

# Eighteen digits are what fits a database's integer.
_ID = re.compile(r"([0-9a-z]{1,32})\.([0-9]{1,18})")


class EventId(msgspec.Struct, frozen=True, order=True, gc=False):
    """Where an event stands: `<epoch>.<number>` on the wire.

    Not a tuple, which the garbage collector would look at: a hundred thousand of them are kept.
    """

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


class Entry(SharedEvent[MessageEvent], frozen=True, eq=False, gc=False, kw_only=True):
    """An event in its place, as all of its readers get it."""

    checked: object = MessageEvent
    """They are made here, by their types, and written before they are read."""
    place: EventId
    turn_id: str
    size: int
    """Characters of its JSON."""

    @classmethod
    def at(cls, place: EventId, turn_id: str, event: MessageEvent, size: int) -> "Entry":
        """Put an event in its place."""
        return cls(f"{place.epoch}.{place.number}", event, place=place, turn_id=turn_id, size=size)
