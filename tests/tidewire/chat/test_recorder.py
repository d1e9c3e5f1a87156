"""A turn's pen: what it may still write when earlier events cannot be stored."""

from math import inf

import pytest

from tests.tidewire.chat.log.journal import EPOCH, UNAVAILABLE, MemoryJournal, complete, word
from tidewire.chat.events import TextDelta
from tidewire.chat.log import Channel, EventId
from tidewire.chat.recorder import Recorder
from tidewire.chat.store import StoreError


def recorder(*, patience: float = inf) -> tuple[Recorder, Channel]:
    position = EventId(EPOCH, 7)
    channel = Channel("c", position, MemoryJournal(), wake=lambda *_: None, patience=patience)
    return Recorder(channel, "turn"), channel


def test_events_are_recorded_after_what_was_there() -> None:
    record, channel = recorder()
    assert (record.start, record.position) == (EventId(EPOCH, 7), EventId(EPOCH, 7))
    record.put(word("a"))
    assert (record.start, record.position) == (EventId(EPOCH, 7), EventId(EPOCH, 8))
    assert [written.turn_id for written in channel.pending] == ["turn"]


async def test_after_a_failure_only_the_end_is_recorded() -> None:
    record, channel = recorder()
    record.put(word("a"))
    channel.fail(UNAVAILABLE)
    with pytest.raises(StoreError, match="cannot be saved") as caught:
        record.put(word("b"))
    assert caught.value.__cause__ is UNAVAILABLE
    record.put_last(complete())
    assert [written.type for written in channel.pending] == ["text_delta", "complete"]
    channel.publish(2)
    record.put(word("c"))
    assert record.position == EventId(EPOCH, 10)


async def test_the_end_is_told_before_it_is_seen() -> None:
    record, channel = recorder()
    seen: list[int] = []
    record.put_last(complete(), lambda: seen.append(channel.written))
    channel.publish(1)
    assert (seen, channel.written) == ([7], 8)
    await record.caught_up()


async def test_what_cannot_be_stored_for_long_is_a_store_error() -> None:
    record, channel = recorder(patience=0)
    record.put(word("a"))
    channel.fail(UNAVAILABLE)
    with pytest.raises(StoreError, match="cannot be saved"):
        await record.caught_up()


def test_a_turn_hears_that_it_is_ahead_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidewire.chat.log.channel.MAX_PENDING", 100)
    record, channel = recorder()
    behind = [record.is_behind]
    record.put(TextDelta(content="x" * 100))
    behind.append(record.is_behind)
    channel.publish(1)
    behind.append(record.is_behind)
    assert behind == [False, True, False]
