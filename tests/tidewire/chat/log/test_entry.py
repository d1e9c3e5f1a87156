"""Ids of events as they travel."""

import pytest

from tidewire.chat.log import EventId


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
