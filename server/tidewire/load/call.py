"""One call, from when it was due to its end."""

from . import messages
from .plan import Plan
from .sequence import Sequence
from .tally import Slice


class Call:
    """A query, a mutation, or a subscription with all its reconnections. Times are in nanoseconds."""

    __slots__ = (
        "cut_at",
        "due",
        "is_setup",
        "is_started",
        "last_event",
        "last_id",
        "number",
        "sequence",
        "slot",
        "text",
    )

    def __init__(
        self, number: int, text: str | None, due: int, *, window: int, slot: int = 0, is_setup: bool = False
    ) -> None:
        self.number: int = number
        self.slot: int = slot
        self.text: str | None = text
        self.due: int = due
        self.is_setup: bool = is_setup
        self.is_started: bool = False
        self.last_event: int = 0
        self.last_id: str | None = None
        self.cut_at: int = 0
        self.sequence: Sequence | None = Sequence(window) if window else None
        """Of subscriptions only."""

    def request(self, plan: Plan) -> bytes:
        """Write it, as a continuation if it has come to an event with an id."""
        if self.is_setup and plan.setup is not None:
            return messages.request(self.number, "mutation", plan.setup.path, self.text, plan.transformer)
        return messages.request(self.number, plan.kind, plan.path, self.text, plan.transformer, self.last_id)

    def begin(self, now: int, tally: Slice) -> None:
        """Count that the server says it has started, or started again."""
        if self.cut_at:
            tally.record("resume", now - self.cut_at)
            self.cut_at = 0
        elif not self.is_started:
            tally.record("round_trip", now - self.due)
        if not self.is_started:
            tally.started += 1
            self.is_started = True

    def take(self, event_id: str | None, now: int, tally: Slice) -> None:
        """Count one event."""
        tally.events += 1
        if self.last_event:
            tally.record("gap", now - self.last_event)
        else:
            tally.record("first_event", now - self.due)
        self.last_event = now
        # As with stock clients: an event without an id makes them forget where they were.
        self.last_id = event_id
        if event_id is not None and self.sequence is not None:
            self.sequence.see(event_id, tally.order)
