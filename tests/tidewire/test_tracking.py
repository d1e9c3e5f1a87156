"""Ids of events."""

import pytest

from tidewire import Tracked, tracked


def test_a_tracked_event_has_an_id_and_data() -> None:
    event = tracked("7", {"text": "tide"})
    assert event == Tracked("7", {"text": "tide"})
    assert (event.id, event.data) == ("7", {"text": "tide"})


@pytest.mark.parametrize("event_id", ["0", "epoch.12", " ", "ü", "a\tb", "\u2028"])
def test_nearly_every_text_can_be_an_id(event_id: str) -> None:
    assert tracked(event_id, 1).id == event_id


@pytest.mark.parametrize(
    ("event_id", "message"),
    [
        ("", "must not be an empty string"),
        ("a\nb", "must not contain line breaks or null characters"),
        ("a\rb", "must not contain line breaks or null characters"),
        ("\0", "must not contain line breaks or null characters"),
    ],
)
def test_an_id_that_server_sent_events_cannot_carry_is_refused(event_id: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tracked(event_id, 1)
