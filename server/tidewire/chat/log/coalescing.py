"""Fewer, larger events for readers that lag."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec

from ..events import ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta
from .entry import Entry

LAG: Final = 32
"""Entries that a reader may be behind before they are coalesced; at a usual rate a third of a second."""

MAX_COALESCED: Final = 16 << 10
"""Characters of one coalesced event, about: what waits for a socket stays bounded."""

_GROWING: Final = {
    TextDelta: "content",
    ReasoningDelta: "content",
    RefusalDelta: "content",
    ToolCallDelta: "args_delta",
}


def coalesced(entries: Sequence[Entry]) -> Sequence[Entry]:
    """The same entries; where there are many, neighbouring pieces of one text become one piece.

    It has the id of the last of them. What the events add up to does not change.
    """
    return entries if len(entries) <= LAG else list(_joined_texts(entries))


def _joined_texts(entries: Sequence[Entry]) -> Iterator[Entry]:
    for (_, kind, *_rest), group in groupby(entries, key=_text_of):
        if kind not in _GROWING:
            yield from group
            continue
        field = _GROWING[kind]
        pieces: list[str] = []
        last: Entry | None = None
        size = 0
        for entry in group:
            pieces.append(getattr(entry.data, field))
            size += entry.size
            last = entry
            if size > MAX_COALESCED:
                yield _joined(last, field, pieces, size)
                pieces, last, size = [], None, 0
        if last is not None:
            yield _joined(last, field, pieces, size)


def _text_of(entry: Entry) -> tuple[str, type, Any]:
    """What neighbours that continue each other have in common."""
    return entry.turn_id, type(entry.data), getattr(entry.data, "tool_call_id", None)


def _joined(last: Entry, field: str, pieces: list[str], size: int) -> Entry:
    event = msgspec.structs.replace(last.data, **{field: "".join(pieces)})
    return Entry.at(last.place, last.turn_id, event, size)
