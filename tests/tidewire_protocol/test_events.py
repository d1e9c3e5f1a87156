"""The events are values: they cannot be changed, and equal ones are equal."""

from typing import Any

import pytest

from tidewire_protocol import Call, Cancelled, Event, Fault, Greeted, Opened, Pinged, Rejected

CALL = Call(id=1, jsonrpc=False, kind="query", path="p")
FAULT = Fault("PARSE_ERROR", "no")


@pytest.mark.parametrize(
    ("rejected", "head"),
    [
        (Rejected(FAULT), b'{"id":null,'),
        (Rejected(FAULT, jsonrpc=True), b'{"id":null,"jsonrpc":"2.0",'),
        (Rejected(FAULT, "s", True), b'{"id":"s","jsonrpc":"2.0",'),
        (Rejected(FAULT, 1.0), b'{"id":1,'),
    ],
)
def test_a_rejection_has_the_head_of_its_answer(rejected: Rejected, head: bytes) -> None:
    assert rejected.head == head


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (Greeted(None), "params"),
        (Opened(CALL), "call"),
        (Cancelled(CALL), "call"),
        (Rejected(FAULT), "id"),
        (FAULT, "message"),
        (CALL, "path"),
    ],
)
def test_what_is_told_cannot_be_changed(event: Any, field: str) -> None:
    with pytest.raises(AttributeError):
        setattr(event, field, "changed")


@pytest.mark.parametrize("event", [Pinged(), Rejected(FAULT, 1), Opened(CALL), Cancelled(CALL)])
def test_events_can_be_kept_in_a_set(event: Event) -> None:
    assert event in {event}
