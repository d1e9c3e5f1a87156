"""Where connections are to be cut: at certain events of certain conversations."""

from typing import Final

from tests.faults.proxy import BUFFER_BYTES

LONGEST_END: Final = 60
"""Bytes by which an event's end is recognised."""


class Cuts:
    """A rule for a proxy: cuts a connection once for each event that was planned, the first time it passes.

    cuts = Cuts()
    cuts.plan("0a1b2c3d.5")            # right after this event
    cuts.plan("0a1b2c3d.6", early=3)   # before the last three bytes of this one
    proxy.cut_when(cuts, times=cuts.planned)
    """

    def __init__(self) -> None:
        self._early: dict[str, int] = {}
        self.planned: int = 0
        """How many cuts there are to be."""

    def plan(self, event_id: str, *, early: int = 0) -> None:
        """Cut after the event with this id, or so many bytes before its end."""
        self._early[event_id] = early
        self.planned += 1

    def __call__(self, received: bytes) -> int | None:
        # What came before the newest piece has been looked at.
        before = max(0, len(received) - BUFFER_BYTES - LONGEST_END)
        newest = received[before:]
        ends = {end: event_id for event_id in self._early if (end := _end_of(event_id, newest)) is not None}
        if not ends:
            return None
        first = min(ends)
        return before + first - self._early.pop(ends[first])


def _end_of(event_id: str, received: bytes) -> int | None:
    """Where an event ends, over a WebSocket or as a server-sent event."""
    for last in (f'}},"id":"{event_id}"}}}}', f"\nid: {event_id}\n\n"):
        start = received.find(last.encode())
        if start >= 0:
            return start + len(last)
    return None
