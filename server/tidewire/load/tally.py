"""What a worker counts, sent to the parent once a second."""

from typing import Final, Literal, get_args

import msgspec

Metric = Literal["connect", "round_trip", "first_event", "gap", "resume", "lateness"]
METRICS: Final[tuple[Metric, ...]] = get_args(Metric)

PRECISE_BITS: Final = 11
"""An HdrHistogram of three digits tells 2,048 values apart in each of its buckets."""
CODES_MAX: Final = 40
TEXT_MAX: Final = 200

Buckets = dict[int, int]
"""Microseconds, rounded down to what the histogram tells apart, and how often."""


def bucket(microseconds: int) -> int:
    """Round down to the lowest value that a histogram of three digits takes for the same.

    So a tally holds a few thousand numbers however much is counted, and recording its buckets gives
    the very histogram that recording each value would have given.
    """
    if microseconds < 1 << PRECISE_BITS:
        return microseconds if microseconds > 0 else 0
    shift = microseconds.bit_length() - PRECISE_BITS
    return microseconds >> shift << shift


class Order(msgspec.Struct):
    """How tracked events came."""

    tracked: int = 0
    duplicated: int = 0
    reordered: int = 0
    missing: int = 0
    """Numbers that were left out, which means lost only where ids grow by one."""


class Failure(msgspec.Struct):
    """How often something failed with one code, and what was said the first time."""

    count: int = 0
    message: str = ""


class Slice(msgspec.Struct):
    """What happened in one worker during one second, and what was there at its end."""

    second: int = 0
    seconds: float = 0.0
    """How long it was: the last one may be shorter."""
    open_sockets: int = 0
    open_calls: int = 0
    connections: int = 0
    reconnections: int = 0
    sent: int = 0
    started: int = 0
    answered: int = 0
    completed: int = 0
    unanswered: int = 0
    events: int = 0
    bytes: int = 0
    cpu: float = 0.0
    """Seconds of processor time."""
    order: Order = msgspec.field(default_factory=Order)
    failures: dict[str, Failure] = {}
    latencies: dict[Metric, Buckets] = msgspec.field(default_factory=lambda: {name: {} for name in METRICS})
    over: bool = False
    """Nothing is in it: it says that the worker is done."""

    def record(self, metric: Metric, nanoseconds: int) -> None:
        """Count one latency."""
        buckets = self.latencies[metric]
        value = bucket(nanoseconds // 1000)
        buckets[value] = buckets.get(value, 0) + 1

    def fail(self, code: str, message: str = "") -> None:
        """Count one failure. Servers choose codes and messages, so both are bounded."""
        code = printable(code)
        if code not in self.failures:
            if len(self.failures) >= CODES_MAX:
                code = "OTHER"
            self.failures.setdefault(code, Failure(message=printable(message)))
        self.failures[code].count += 1

    @property
    def failed(self) -> int:
        """All failures."""
        return sum(failure.count for failure in self.failures.values())

    @property
    def worked(self) -> int:
        """What shows that there is a tRPC server that does what it is asked."""
        return self.answered + self.events + self.started

    def add(self, other: "Slice") -> None:
        """Count another worker's, or another second's, into this one."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in Order.__struct_fields__:
            setattr(self.order, name, getattr(self.order, name) + getattr(other.order, name))
        for code, failure in other.failures.items():
            mine = self.failures.setdefault(code, Failure(message=failure.message))
            mine.count += failure.count


COUNTS: Final = (
    "connections",
    "reconnections",
    "sent",
    "started",
    "answered",
    "completed",
    "unanswered",
    "events",
    "bytes",
    "cpu",
)


def printable(text: str) -> str:
    """Make a peer's text fit for a terminal: one line, no control characters, not too long."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text[: TEXT_MAX + 1])
    return plain if len(plain) <= TEXT_MAX else f"{plain[:TEXT_MAX]}…"
