"""A report as one HTML file that needs nothing else."""

import math
from collections.abc import Callable
from html import escape
from typing import Final

from . import tables
from .chart import Chart, Line
from .report import Report, Second

STYLE: Final = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem; margin-bottom: 0 } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums } .wide { overflow-x: auto }
th, td { padding: .2rem .8rem .2rem 0; text-align: right; border-bottom: 1px solid #8884; white-space: pre }
th:first-child, td:first-child, .said { text-align: left } td.said { white-space: normal }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(30rem, 100%), 1fr)); gap: 1rem }
svg { width: 100%; max-width: 44rem; height: auto }
svg text { font: 11px system-ui, sans-serif; fill: currentColor }
svg .title { font-weight: 600; font-size: 13px } .grid { stroke: #8884 }
polyline { fill: none; stroke-width: 2 } .note { border-left: 3px solid #d97706; padding-left: .8rem }
code { overflow-wrap: anywhere }
"""

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
POINTS_MAX: Final = 600
NINES: Final = ((0.0, "0"), (50.0, "50"), (90.0, "90"), (99.0, "99"), (99.9, "99.9"), (99.99, "99.99"))


def page(report: Report) -> str:
    """Write it. Everything that a peer or a command line had a say in is escaped."""
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        # Belt and braces: even a hole in the escaping could not run anything.
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        f"<title>Load on {escape(report.url)}</title><style>{STYLE}</style>",
        f"<h1>Load on {escape(report.url)}</h1>",
        f"<p>{escape(tables.headline(report))}. Began {report.began:%Y-%m-%d %H:%M:%S %Z}.</p>",
        *(f'<p class="note">{escape(note)}</p>' for note in report.notes),
        f"<h2>Latency</h2>{_table(tables.latencies(report))}",
        f"<h2>Counts</h2>{_table(tables.counts(report))}",
        f"<h2>Failures</h2>{_table(tables.failures(report))}" if report.failures else "",
        f'<h2>Over time</h2><div class="charts">{"".join(chart.svg() for chart in _over_time(report))}</div>',
        f'<h2>Percentiles</h2><div class="charts">{_curves(report).svg()}</div>',
        f"<h2>Options</h2><p><code>{escape(_options(report))}</code></p></html>",
    ]
    return "\n".join(filter(None, parts)) + "\n"


def _table(table: tables.Table) -> str:
    classes = [' class="said"' if "said" in heading else "" for heading in table.headings]
    head = "".join(
        f"<th{kind}>{escape(text)}</th>" for text, kind in zip(table.headings, classes, strict=True)
    )
    rows = (
        "".join(f"<td{kind}>{escape(text)}</td>" for text, kind in zip(row, classes, strict=True))
        for row in table.rows
    )
    return (
        f'<div class="wide"><table><tr>{head}</tr>{"".join(f"<tr>{row}</tr>" for row in rows)}</table></div>'
    )


def _over_time(report: Report) -> list[Chart]:
    timeline = report.timeline[:: max(1, math.ceil(len(report.timeline) / POINTS_MAX))]
    # The last second is seldom a whole one, and would show as a fall.
    whole = timeline[:-1] if len(timeline) > 2 else timeline
    last = whole[-1].second if whole else 1
    ticks = [
        (float(second), str(second)) for second in sorted({0, last // 4, last // 2, 3 * last // 4, last})
    ]

    def line(name: str, value: Callable[[Second], float | None]) -> Line:
        return Line(name, [(float(second.second), value(second)) for second in whole])

    flow = [line("events", lambda second: second.events)]
    if report.totals.answered:
        flow = [line("answers", lambda second: second.answered), *(flow if report.totals.events else ())]
    kind = tables.NAMES[report.timeline_of]
    return [
        Chart("Received, per second", flow, ticks, "seconds"),
        Chart(
            f"Latency, {kind}, in ms",
            [
                line("p50", lambda second: second.latency_p50),
                line("p99", lambda second: second.latency_p99),
            ],
            ticks,
            "seconds",
        ),
        Chart("Open sockets", [line("sockets", lambda second: second.sockets)], ticks, "seconds"),
        Chart("Failures, per second", [line("failures", lambda second: second.failed)], ticks, "seconds"),
    ]


def _curves(report: Report) -> Chart:
    lines = [
        Line(tables.NAMES[metric], [(_nines(percent), value) for percent, value in latency.curve])
        for metric, latency in report.latencies.items()
        if metric in ("round_trip", "first_event", "gap", "resume")
    ]
    furthest = max((x for line in lines for x, _ in line.points), default=1.0)
    ticks = [(_nines(percent), label) for percent, label in NINES if _nines(percent) <= furthest]
    return Chart("Latency by percentile, in ms", lines, ticks, "percent", log=True)


def _nines(percent: float) -> float:
    """Give each further nine the same room: 90, 99, 99.9."""
    return -math.log10(max(1 - percent / 100, 1e-6))


def _options(report: Report) -> str:
    plan = report.plan
    options = {
        "kind": plan.kind,
        "path": plan.path,
        "input": plan.input,
        "sockets": plan.sockets,
        "calls": plan.calls,
        "rate": plan.rate,
        "repeat": plan.repeat or None,
        "ramp": plan.ramp,
        "duration": plan.duration,
        "drop-all-every": plan.drop_all_every,
        "transformer": plan.transformer,
        "workers": plan.workers,
    }
    return " ".join(f"--{name} {value}" for name, value in options.items() if value is not None)
