"""Ids of events as they travel."""

import pytest

from tidewire.chat import router
from tidewire.chat.events import TextDelta
from tidewire.chat.log import Entry, EventId


@pytest.mark.parametrize("number", [0, 1, 42, 10**18 - 1])
def test_an_id_reads_as_it_was_written(number: int) -> None:
    event_id = EventId("0a1b", number)
    assert EventId.parse(str(event_id)) == event_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "a.",
        ".1",
        "a.-1",
        "a.1.2",
        "A.1",
        "a.1\n",
        " a.1",
        "a.\u0661",
        f"a.{10**18}",
        "a" * 33 + ".1",
    ],
)
def test_what_is_not_ours_is_no_id(text: str) -> None:
    assert EventId.parse(text) is None


@pytest.mark.parametrize("path", ["streamMessage", "regenerate", "watch"])
def test_the_type_of_entries_is_the_one_that_is_promised(path: str) -> None:
    # By identity, so that no event is checked again, which costs more than to encode it.
    promised = router.procedures()[f"conversations.{path}"].output.tracked_type
    assert Entry.at(EventId("0a1b", 1), "turn", TextDelta(content=""), 2).checked is promised
