"""Fewer, larger events for readers that lag."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.tidewire.chat.test_fold import folded, sequences
from tidewire.chat.events import MessageEvent, TextDelta, ToolCallComplete, ToolCallDelta
from tidewire.chat.log import Entry, EventId
from tidewire.chat.log.coalescing import LAG, MAX_COALESCED, coalesced

EPOCH = "0a1b2c3d"


def in_log(events: Sequence[MessageEvent], turn_id: str = "turn") -> list[Entry]:
    return [Entry.at(EventId(EPOCH, number), turn_id, event, 50) for number, event in enumerate(events, 1)]


def test_a_reader_that_hardly_lags_gets_entries_as_they_are() -> None:
    entries = in_log([TextDelta(content="a")] * LAG)
    assert list(coalesced(entries)) == entries


def test_neighbours_of_one_text_become_one_piece_with_the_last_ones_id() -> None:
    entries = in_log([TextDelta(content=f"{number} ") for number in range(LAG + 1)])
    [joined] = coalesced(entries)
    assert joined.place == entries[-1].place
    assert joined.data == TextDelta(content="".join(f"{number} " for number in range(LAG + 1)))
    assert joined.size == 50 * (LAG + 1)


def test_pieces_of_different_turns_and_calls_stay_apart() -> None:
    one, two = (ToolCallDelta(tool_call_id=name, args_delta="x") for name in "12")
    entries = in_log([one] * LAG + [two])
    assert [entry.place.number for entry in coalesced(entries)] == [LAG, LAG + 1]
    entries = [
        *in_log([TextDelta(content="a")] * LAG, "turn"),
        *in_log([TextDelta(content="b")] * LAG, "next"),
    ]
    assert [entry.turn_id for entry in coalesced(entries)] == ["turn", "next"]


def test_a_coalesced_event_is_bounded_however_far_a_reader_lags() -> None:
    entries = in_log([TextDelta(content="x" * 50)] * 5000)
    found = list(coalesced(entries))
    assert max(entry.size for entry in found) <= MAX_COALESCED + 50
    assert len(found) == -(-5000 * 50 // (MAX_COALESCED + 50))
    assert found[-1].place == entries[-1].place


@given(st.lists(sequences(), min_size=1, max_size=4), st.integers(0, 200))
def test_what_events_add_up_to_does_not_change(turns: list[list[MessageEvent]], padding: int) -> None:
    entries: list[Entry] = []
    for index, events in enumerate(turns):
        padded = [*([TextDelta(content=".")] * padding), *events]
        entries += [
            Entry.at(EventId(EPOCH, len(entries) + number), str(index), event, 50)
            for number, event in enumerate(padded, 1)
        ]
    found = list(coalesced(entries))
    numbers = [entry.place.number for entry in found]
    assert numbers == sorted(set(numbers))
    assert [entry.place for entry in found[-1:]] == [entry.place for entry in entries[-1:]]
    assert sum(entry.size for entry in found) == sum(entry.size for entry in entries)
    for index in range(len(turns)):
        before, after = (
            [entry.data for entry in each if entry.turn_id == str(index)] for each in (entries, found)
        )
        assert folded(*after).parts == folded(*before).parts
        results = [event for event in before if isinstance(event, ToolCallComplete)]
        assert [event for event in after if isinstance(event, ToolCallComplete)] == results


def test_a_joined_entry_is_encoded_anew() -> None:
    entries = in_log([TextDelta(content="a")] * (LAG + 1))
    for entry in entries:
        entry.was_encoded(b"of one piece", by="transformer")
    [joined] = coalesced(entries)
    assert (joined.tail, joined.tail_by) == (b"", None)
