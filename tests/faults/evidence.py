"""What a client has seen of a turn, against what the server has kept."""

import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from tests.conformance.chat import Chat, Event
from tidewire.chat.events import MessageEvent
from tidewire.chat.fold import Fold

Seen = Sequence[Mapping[str, Any]]
"""Tracked events in the order in which they came: `{"id", "data"}`."""


async def read_to_complete(events: AsyncIterator[Any]) -> list[Mapping[str, Any]]:
    """Read up to the next `complete`, that included: what watches a conversation never ends."""
    seen: list[Mapping[str, Any]] = []
    while not seen or seen[-1]["data"]["type"] != "complete":
        seen.append(await anext(events))
    return seen


async def read_through(
    events: AsyncIterator[Any], heard: Callable[[], None] = lambda: None
) -> list[Mapping[str, Any]]:
    """Read to the end of the subscription, whatever comes; `heard` is called after each event."""
    seen: list[Mapping[str, Any]] = []
    async for event in events:
        seen.append(event)
        heard()
    return seen


def number_of(event: Mapping[str, Any]) -> int:
    """Where an event stands in its conversation's log."""
    return int(event["id"].rpartition(".")[2])


def data_of(seen: Seen) -> list[Event]:
    """The events without their ids."""
    return [event["data"] for event in seen]


def folded(events: Iterable[Event], fold: Fold | None = None) -> Fold:
    """What a client makes of events."""
    fold = fold or Fold()
    for event in events:
        fold.apply(msgspec.convert(event, MessageEvent))
    return fold


def logged(database: Path, turn_id: str) -> list[tuple[int, Event]]:
    """A turn's entries in the log's table."""
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT number, payload FROM events WHERE turn_id = ? ORDER BY number"
        return [(number, json.loads(payload)) for number, payload in connection.execute(query, [turn_id])]


def answer_of(chat: Chat, conversation: str, turn_id: str) -> dict[str, Any]:
    """The one answer of a turn, as it is in the database."""
    [row] = [
        row for row in chat.rows(conversation) if row["turn_id"] == turn_id and row["role"] == "assistant"
    ]
    return row


def check_order(seen: Seen) -> None:
    """Events of one turn that were read to its end: ids go up, nothing twice, one `complete`, at the end."""
    numbers = [number_of(event) for event in seen]
    assert numbers == sorted(set(numbers)), numbers
    assert len({event["id"].rpartition(".")[0] for event in seen}) == 1
    types = [event["data"]["type"] for event in seen]
    assert types.count("complete") == 1, types
    assert types[-1] == "complete", types


def check_message(row: Mapping[str, Any], events: Sequence[Event]) -> None:
    """The stored answer is what the events add up to."""
    fold = folded(events)
    assert msgspec.to_builtins(fold.parts) == json.loads(row["parts"])
    assert fold.content == row["content"]
    complete = events[-1]
    assert (complete["messageId"], complete["status"]) == (row["id"], row["status"])
    usage = row["usage"] and json.loads(row["usage"])
    assert complete.get("usage") == usage
    assert complete.get("finishReason") == row["finish_reason"]


def check_turn(chat: Chat, conversation: str, seen: Seen) -> dict[str, Any]:
    """A whole turn, as one client saw it: it is what the log and the database hold. Gives the answer."""
    check_order(seen)
    events = data_of(seen)
    start = events[0]
    assert start["type"] == "start"
    entries = logged(chat.database, start["turnId"])
    assert [(number_of(event), event["data"]) for event in seen] == entries
    assert [number for number, _ in entries] == list(range(entries[0][0], entries[0][0] + len(entries)))
    row = answer_of(chat, conversation, start["turnId"])
    check_message(row, events)
    return row
