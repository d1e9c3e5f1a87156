"""The result of a run: numbers merged from all workers, and what they mean."""

from datetime import datetime
from typing import Final

import msgspec

from .histogram import Histogram, percentile
from .plan import Plan
from .tally import METRICS, Failure, Metric, Slice

BUSY: Final = 0.9
"""Of a core: a worker beyond measures itself."""
LATE: Final = 20.0
"""Milliseconds, at the 99th percentile, that calls of an open loop may be sent too late."""

HINTS: Final = {
    "NOT_FOUND": "; is --path right?",
    "BAD_REQUEST": "; is --input right?",
    "PARSE_ERROR": "; is --transformer the server's?",
    "UNAUTHORIZED": "; see --connection-params and --header.",
    "FORBIDDEN": "; see --connection-params and --header.",
}


class Second(msgspec.Struct):
    """One second of the run, of all workers together; latencies in milliseconds."""

    second: int
    sockets: int = 0
    sent: int = 0
    answered: int = 0
    events: int = 0
    failed: int = 0
    bytes: int = 0
    latency_p50: float | None = None
    latency_p99: float | None = None


class Latency(msgspec.Struct):
    """All latencies of one kind, in milliseconds."""

    count: int
    summary: dict[str, float]
    curve: list[tuple[float, float]]


class Report(msgspec.Struct, kw_only=True):
    """What `--json` writes."""

    url: str
    began: datetime
    seconds: float
    interrupted: bool
    plan: Plan
    totals: Slice
    lost: int | None
    """None where ids need not be contiguous."""
    failures: dict[str, Failure]
    latencies: dict[Metric, Latency]
    timeline_of: Metric
    timeline: list[Second]
    load_cpu: float
    """Of the busiest worker, in cores."""
    notes: list[str]

    @property
    def has_worked(self) -> bool:
        """Whether anything at all came back as it should."""
        return self.totals.worked > 0

    @property
    def is_exact(self) -> bool:
        """Whether tracked events came once, in order, and, where that can be told, all of them."""
        order = self.totals.order
        return not (order.duplicated or order.reordered or self.lost)


class Reporter:
    """Merges slices as they come."""

    def __init__(self, plan: Plan, began: datetime) -> None:
        self._plan = plan
        self._began = began
        self.totals: Slice = Slice()
        self._histograms: dict[Metric, Histogram] = {metric: Histogram() for metric in METRICS}
        self._seconds: dict[int, Second] = {}
        self._buckets: dict[int, dict[int, int]] = {}
        self._newest = [-1] * plan.workers
        self._cpu = [0.0] * plan.workers
        self._lasted = [0.0] * plan.workers
        self._metric: Metric = "gap" if plan.kind == "subscription" and plan.rate is None else "round_trip"

    def take(self, worker: int, piece: Slice) -> None:
        """Count one worker's second in."""
        self.totals.add(piece)
        for metric, buckets in piece.latencies.items():
            self._histograms[metric].add(buckets)
        second = self._seconds.setdefault(piece.second, Second(piece.second))
        if self._newest[worker] != piece.second:
            second.sockets += piece.open_sockets
        second.sent += piece.sent
        second.answered += piece.answered
        second.events += piece.events
        second.failed += piece.failed
        second.bytes += piece.bytes
        merged = self._buckets.setdefault(piece.second, {})
        for value, count in piece.latencies[self._metric].items():
            merged[value] = merged.get(value, 0) + count
        self._newest[worker] = piece.second
        self._cpu[worker] += piece.cpu
        self._lasted[worker] += piece.seconds
        self._settle()

    @property
    def has_begun(self) -> bool:
        """Whether all workers have told of a second."""
        return min(self._newest) >= 0

    @property
    def second(self) -> Second:
        """The newest second that all workers have told of."""
        return self._seconds.get(min(self._newest), Second(0))

    def report(self, *, interrupted: bool) -> Report:
        """Sum up."""
        for second in list(self._buckets):
            self._measure(second)
        busiest = max(cpu / max(lasted, 0.01) for cpu, lasted in zip(self._cpu, self._lasted, strict=True))
        latencies: dict[Metric, Latency] = {
            metric: Latency(histogram.count, histogram.summary(), histogram.curve())
            for metric, histogram in self._histograms.items()
            if histogram.count
        }
        report = Report(
            url=self._plan.url,
            began=self._began,
            seconds=max(self._lasted),
            interrupted=interrupted,
            plan=self._plan,
            totals=self.totals,
            lost=max(self.totals.order.missing, 0) if self._plan.contiguous_ids else None,
            failures=dict(sorted(self.totals.failures.items(), key=lambda item: -item[1].count)),
            latencies=latencies,
            timeline_of=self._metric,
            timeline=[self._seconds[second] for second in sorted(self._seconds)],
            load_cpu=busiest,
            notes=[],
        )
        report.notes = notes(report)
        return report

    def _settle(self) -> None:
        """Turn the buckets of seconds that are complete into percentiles: an hour's would be much memory."""
        for second in [second for second in self._buckets if second < min(self._newest)]:
            self._measure(second)

    def _measure(self, second: int) -> None:
        buckets = self._buckets.pop(second)
        self._seconds[second].latency_p50 = percentile(buckets, 50)
        self._seconds[second].latency_p99 = percentile(buckets, 99)


def notes(report: Report) -> list[str]:
    """Say what a reader should know before believing the numbers."""
    plan, totals = report.plan, report.totals
    found: list[str] = []
    if report.load_cpu > BUSY:
        found.append(
            f"A worker was busy for {report.load_cpu:.0%} of the time: the load tester itself was the limit. "
            "Add --workers, or cores."
        )
    lateness = report.latencies.get("lateness")
    if lateness is not None and lateness.summary["p99"] > LATE:
        found.append(
            f"Calls were sent late by {lateness.summary['p99']:.0f} ms (p99), which the latencies contain: "
            "this machine is too busy."
        )
    if plan.rate is None and plan.kind != "subscription":
        found.append(
            "A closed loop waits when the server does, so its slow moments are seldom seen. --rate measures "
            "from when a call was due."
        )
    if totals.order.missing > 0 and not plan.contiguous_ids:
        found.append(
            f"Ids left out {totals.order.missing:,} numbers. That is a loss only where they grow by one "
            "(--contiguous-ids); servers that put events together skip some."
        )
    if totals.unanswered:
        found.append(
            f"{totals.unanswered:,} calls had no answer by the end; their latencies are not counted."
        )
    return found


def verdict(report: Report) -> str | None:
    """Say in a sentence why the run was in vain, if it was."""
    if report.has_worked:
        return None
    if not report.failures:
        return None if report.interrupted else f"{report.url} answered none of {report.totals.sent:,} calls."
    code, failure = next(iter(report.failures.items()))
    said = f" ({failure.message})" if failure.message else ""
    times = "once" if failure.count == 1 else f"{failure.count:,} times"
    return f"{report.url}: nothing worked; {times} {code}{said}{HINTS.get(code, '.')}"
