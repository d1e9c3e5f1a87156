# ruff: noqa: RUF001 (signs of arithmetic are meant)
"""The figures of a run, and the table of them."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import msgspec

from .peers import PEERS
from .rows import ROWS, Row, Target

OURS: Final = "tidewire"


@dataclass(frozen=True)
class Spread:
    """A median and what it is the median of."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """Of those values that are numbers, if there are any."""
        known = [value for value in values if math.isfinite(value)]
        return cls(statistics.median(known), min(known), max(known)) if known else None


class _SavedRow(msgspec.Struct):
    rounds: dict[str, list[float | None]]


class _Saved(msgspec.Struct):
    about: dict[str, str]
    load_share_of_core: float
    rows: dict[str, _SavedRow]


@dataclass
class Report:
    """Figures by row and peer, one for each round."""

    about: Mapping[str, str]
    """The machine, and the versions of what ran on it."""
    figures: defaultdict[str, defaultdict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    load: float = 0.0
    """The largest share of their core that clients and upstream used."""

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """What `as_json` has given, encoded."""
        saved = msgspec.json.decode(data, type=_Saved)
        report = cls(saved.about, load=saved.load_share_of_core)
        for key, row in saved.rows.items():
            for peer, values in row.rounds.items():
                report.figures[key][peer] = [math.nan if value is None else value for value in values]
        return report

    @property
    def rounds(self) -> int:
        """How many there were."""
        return max((len(values) for row in self.figures.values() for values in row.values()), default=0)

    def add(self, peer: str, round_number: int, figures: Mapping[str, float]) -> None:
        """Take what one peer did in one step of a round, counted from 0."""
        for key, value in figures.items():
            if key == "load":
                self.load = max(self.load, value)
            else:
                values = self.figures[key][peer]
                values += [math.nan] * (round_number - len(values)) + [value]
        few, many = (self.figures[f"relay-{level}-cpu"][peer] for level in (100, 1000))
        if few and many:
            self.figures["growth"][peer] = [more / less for less, more in zip(few, many, strict=False)]

    def rows(self) -> Iterator[Row]:
        """Those that there are figures of."""
        return (row for row in ROWS if self.figures[row.key][OURS])

    def spread(self, row: Row, peer: str) -> Spread | None:
        return Spread.of(self.figures[row.key][peer])

    def ratio(self, row: Row, peer: str, *, of: str = OURS) -> Spread | None:
        """The figure of one by that of a peer, round by round."""
        ours, theirs = (self.figures[row.key][name] for name in (of, peer))
        return Spread.of([a / b for a, b in zip(ours, theirs, strict=False) if b])

    def met(self, row: Row, target: Target) -> bool | None:
        """Whether the median is within the bound; None if there is no figure."""
        found = self.ratio(row, target.peer) if target.peer else self.spread(row, OURS)
        return None if found is None else target.met(found.median)

    def as_json(self) -> dict[str, Any]:
        """All figures, and what follows from them."""
        return {
            "about": self.about,
            "load_share_of_core": self.load,
            "rows": {
                row.key: {
                    "work": row.work,
                    "unit": row.unit,
                    "rounds": self.figures[row.key],
                    "ratios": {
                        peer.name: self.ratio(row, peer.name)
                        for peer in PEERS
                        if peer.name != OURS and self.figures[row.key][peer.name]
                    },
                }
                for row in self.rows()
            },
        }


def table(report: Report) -> str:
    """A Markdown table that can be read as it is."""
    peers = [peer for peer in PEERS if any(report.figures[row.key][peer.name] for row in report.rows())]
    head = ["work", "unit", *(peer.title for peer in peers), "to Node", "to Python", "target"]
    body = [
        [
            row.work,
            row.unit,
            *(number(report.spread(row, peer.name)) for peer in peers),
            *(ratio(report.ratio(row, name)) for name in ("node", "python")),
            "; ".join(_verdict(report, row, target) for target in row.targets),
        ]
        for row in report.rows()
    ]
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    lines = [head, ["-" * width for width in widths], *body]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def number(spread: Spread | None) -> str:
    if spread is None:
        return "–"
    return f"{spread.median:,.0f}" if spread.median >= 100 else f"{spread.median:.3g}"


def ratio(spread: Spread | None) -> str:
    if spread is None:
        return "–"
    return f"{spread.median:.2f} ({spread.least:.2f}–{spread.most:.2f})"


def _verdict(report: Report, row: Row, target: Target) -> str:
    against = {"node": " × Node", "python": " × Python"}.get(target.peer, "")
    mark = {True: "met", False: "missed", None: "?"}[report.met(row, target)]
    return f"{target.sign} {target.limit:g}{against}: {mark}"
