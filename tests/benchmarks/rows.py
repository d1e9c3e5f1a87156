# ruff: noqa: RUF001 (signs of arithmetic are meant)
"""What is reported, and what was aimed at."""

from dataclasses import dataclass
from typing import Final, Literal

Unit = Literal["µs", "ms", "%", "/s", "streams", "KiB", "×"]

LEVELS: Final = (20, 100, 300, 1000)
"""Streams at once."""


WATCHERS: Final = (100, 1000)
"""Of one conversation."""


@dataclass(frozen=True)
class Target:
    """A bound for this project's figure, or for its ratio to a peer's."""

    sign: Literal["≤", "≥"]
    limit: float
    peer: str = ""
    """Whose figure is 1; nobody's if the figure itself is meant."""

    def met(self, value: float) -> bool:
        return value <= self.limit if self.sign == "≤" else value >= self.limit


@dataclass(frozen=True)
class Row:
    """One kind of figure, of all peers."""

    key: str
    work: str
    unit: Unit
    more_is_better: bool = False
    targets: tuple[Target, ...] = ()


def _relay(level: int) -> tuple[Row, ...]:
    work = f"relay, {level:,} streams × 30 tokens/s"
    cpu = {
        20: (Target("≤", 0.6, "node"), Target("≤", 0.35, "python")),
        100: (Target("≤", 0.6, "node"), Target("≤", 0.35, "python")),
        300: (Target("≤", 0.8, "node"),),
    }
    return (
        Row(f"relay-{level}-cpu", f"{work}: server CPU per token", "µs", targets=cpu.get(level, ())),
        Row(f"relay-{level}-p50", f"{work}: age of a token on arrival, p50", "ms"),
        Row(
            f"relay-{level}-p99",
            f"{work}: age of a token on arrival, p99",
            "ms",
            targets=(Target("≤", 50.0),) if level == 300 else (),
        ),
        Row(
            f"relay-{level}-delivered",
            f"{work}: delivered while it was sent",
            "%",
            more_is_better=True,
            targets=(Target("≥", 99.0),) if level == 300 else (),
        ),
    )


ROWS: Final = (
    *(row for level in LEVELS for row in _relay(level)),
    Row("growth", "CPU per token, 1,000 streams to 100", "×", targets=(Target("≤", 1.1),)),
    Row(
        "flat-out",
        "relay flat out, 50 streams: tokens per CPU second",
        "/s",
        more_is_better=True,
        targets=(Target("≥", 2.5, "node"),),
    ),
    Row(
        "capacity",
        "most streams × 30 tokens/s with p99 below 50 ms",
        "streams",
        more_is_better=True,
        targets=(Target("≥", 2.0, "node"),),
    ),
    Row("first-p50", "time to first token beside 100 streams, p50", "ms", targets=(Target("≤", 3.0),)),
    Row("first-p99", "time to first token beside 100 streams, p99", "ms", targets=(Target("≤", 15.0),)),
    *(
        Row(
            f"fan-out-{watchers}",
            f"one conversation, {watchers:,} watchers: deliveries per CPU second",
            "/s",
            more_is_better=True,
            targets=(Target("≥", 5.0, "node"),),
        )
        for watchers in WATCHERS
    ),
    Row(
        "count",
        "one subscription flat out: events per CPU second",
        "/s",
        more_is_better=True,
        targets=(Target("≥", 10.0, "node"),),
    ),
    Row(
        "queries",
        "queries, 64 sockets, one at a time on each: per CPU second",
        "/s",
        more_is_better=True,
        targets=(Target("≥", 2.0, "node"),),
    ),
    Row(
        "idle",
        "memory per idle socket that watches a conversation",
        "KiB",
        targets=(Target("≤", 22.0), Target("≤", 0.4, "node")),
    ),
)
