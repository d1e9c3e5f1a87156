"""A report as tables, the same for the terminal and for HTML."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from .report import Report
from .tally import Metric

NAMES: Final[dict[Metric, str]] = {
    "connect": "connect",
    "round_trip": "round trip",
    "first_event": "first event",
    "gap": "between events",
    "resume": "resume",
    "lateness": "sent late",
}


class Table(NamedTuple):
    """Headings, of which the first is for the names of the rows, and rows."""

    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def counts(report: Report) -> Table:
    """What was done, and what came back."""
    totals, order = report.totals, report.totals.order
    seconds = max(report.seconds, 0.001)
    rows = [
        ("connections", f"{totals.connections:,}", ""),
        ("reconnections", f"{totals.reconnections:,}", ""),
        ("calls sent", f"{totals.sent:,}", _rate(totals.sent, seconds)),
        ("subscriptions started", f"{totals.started:,}", ""),
        ("subscriptions completed", f"{totals.completed:,}", ""),
        ("answers", f"{totals.answered:,}", _rate(totals.answered, seconds)),
        ("without answer", f"{totals.unanswered:,}", ""),
        ("events", f"{totals.events:,}", _rate(totals.events, seconds)),
        ("MiB received", f"{totals.bytes / (1 << 20):,.2f}", _rate(totals.bytes / (1 << 20), seconds)),
        ("failures", f"{totals.failed:,}", ""),
    ]
    kept = [row for row in rows if row[1] not in ("0", "0.00") or row[0] == "failures"]
    if order.tracked:
        lost = "not judged" if report.lost is None else f"{report.lost:,}"
        kept += [
            ("tracked events", f"{order.tracked:,}", ""),
            ("  lost", lost, ""),
            ("  duplicated", f"{order.duplicated:,}", ""),
            ("  reordered", f"{order.reordered:,}", ""),
        ]
    return Table(("", "total", "per second"), kept)


def latencies(report: Report) -> Table:
    """Percentiles, in milliseconds."""
    columns = ("min", "mean", "p50", "p90", "p99", "p99.9", "max")
    rows = [
        (NAMES[metric], f"{latency.count:,}", *(milliseconds(latency.summary[name]) for name in columns))
        for metric, latency in report.latencies.items()
    ]
    return Table(("milliseconds", "count", *columns), rows)


def failures(report: Report) -> Table:
    """What went wrong, the most frequent first."""
    rows = [(code, f"{failure.count:,}", failure.message) for code, failure in report.failures.items()]
    return Table(("failure", "count", "the first one said"), rows)


def headline(report: Report) -> str:
    """Say what was run."""
    plan = report.plan
    calls = (
        f"{plan.rate:,g} calls of {plan.path} a second"
        if plan.rate is not None
        else f"{plan.calls:,} of {plan.path} on each"
    )
    end = ", interrupted" if report.interrupted else ""
    sockets = "1 socket" if plan.sockets == 1 else f"{plan.sockets:,} sockets"
    return f"{sockets}, {calls}, {report.seconds:.1f} s{end}"


def milliseconds(value: float) -> str:
    """Three digits, which is what is measured."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _rate(count: float, seconds: float) -> str:
    rate = count / seconds
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2f}"
