"""HdrHistograms of latencies, merged from what workers count."""

from collections.abc import Mapping
from typing import Any, Final

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]  # it has no annotations

HIGHEST: Final = 3_600_000_000
"""Microseconds: an hour, as long as a run may take."""
DIGITS: Final = 3
CURVE: Final = (0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 99.999, 100.0)


class Histogram:
    """Latencies of one kind; recorded in microseconds, read in milliseconds."""

    def __init__(self) -> None:
        self._histogram: Any = HdrHistogram(1, HIGHEST, DIGITS)

    def add(self, buckets: Mapping[int, int]) -> None:
        """Count a worker's in."""
        for value, count in buckets.items():
            self._histogram.record_value(min(value, HIGHEST), count)

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self._histogram.get_total_count())

    def at(self, percentile: float) -> float:
        """Give the latency that `percentile` percent do not exceed."""
        return float(self._histogram.get_value_at_percentile(percentile)) / 1000

    def summary(self) -> dict[str, float]:
        """Give what a table shows."""
        histogram = self._histogram
        return {
            "min": histogram.get_min_value() / 1000,
            "mean": histogram.get_mean_value() / 1000,
            "p50": self.at(50),
            "p90": self.at(90),
            "p99": self.at(99),
            "p99.9": self.at(99.9),
            "max": histogram.get_max_value() / 1000,
        }

    def curve(self) -> list[tuple[float, float]]:
        """Give percentiles and their latencies, as far out as there are values to tell."""
        furthest = 100 * (1 - 1 / max(self.count, 1))
        return [(percent, self.at(percent)) for percent in CURVE if percent <= max(furthest, 50.0)]


def percentile(buckets: Mapping[int, int], percent: float) -> float | None:
    """Give one percentile of a second's buckets, in milliseconds."""
    total = sum(buckets.values())
    wanted = total * percent / 100
    seen = 0
    for value in sorted(buckets):
        seen += buckets[value]
        if seen >= wanted:
            return value / 1000
    return None
