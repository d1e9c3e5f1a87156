# ruff: noqa: RUF001 (signs of arithmetic are meant)
"""A picture of the ratios, as SVG that suits light and dark pages."""

import math
from collections.abc import Iterator
from html import escape
from typing import Final

from .peers import HAND_WRITTEN, NODE, TIDEWIRE, Peer
from .report import Report, Spread
from .rows import Row

WIDTH: Final = 760
LEFT: Final = 16
MARGIN: Final = 36
"""Left of the scale; its first number is centred there."""

RIGHT: Final = 64
TOP: Final = 74
ROW: Final = 54
BAR: Final = 11

LEAST: Final = 0.25
MOST: Final = 16.0
TICKS: Final = (0.25, 0.5, 1, 2, 4, 8, 16)
"""Times; the scale is logarithmic, so that twice and half are equally far from one."""

STYLE: Final = """
    text { font: 13px system-ui, sans-serif; fill: #1f2328; }
    .title { font-weight: 600; font-size: 15px; }
    .faint { fill: #59636e; font-size: 12px; }
    .grid { stroke: #d1d9e0; } .one { stroke: #59636e; stroke-width: 1.5; }
    .tidewire { fill: #0a7d78; } .python { fill: #9aa4ae; }
    .whisker { stroke: #1f2328; stroke-width: 1.5; fill: none; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; } .faint { fill: #9198a1; }
      .grid { stroke: #3d444d; } .one { stroke: #9198a1; }
      .tidewire { fill: #2fb8b0; } .python { fill: #6b7480; } .whisker { stroke: #e6edf3; }
    }
"""


def picture(report: Report) -> str:
    """Draw how much better than Node this project and hand-written Python are, where that was aimed at."""
    rows = [row for row in report.rows() if _is_drawn(row) and report.ratio(row, NODE.name)]
    bottom = TOP + ROW * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 28}" role="img">',
        "  <title>How many times better than Node</title>",
        f"  <style>{STYLE}  </style>",
        f'  <text class="title" x="{LEFT}" y="24">Times better than Node, in the same run</text>',
        *_legend(),
        *_grid(bottom),
    ]
    for index, row in enumerate(rows):
        parts += _row(report, row, TOP + ROW * index)
    return "\n".join([*parts, "</svg>", ""])


def _is_drawn(row: Row) -> bool:
    return any(target.peer == NODE.name for target in row.targets)


def _legend() -> Iterator[str]:
    for x, peer in ((LEFT, TIDEWIRE), (LEFT + 96, HAND_WRITTEN)):
        yield f'  <rect class="{peer.name}" x="{x}" y="38" width="11" height="11" rx="2"/>'
        yield f'  <text class="faint" x="{x + 17}" y="48">{peer.title}</text>'
    yield (
        f'  <text class="faint" x="{WIDTH - RIGHT}" y="48" text-anchor="end">'
        "bars: median of the rounds; whiskers: least and most</text>"
    )


def _grid(bottom: int) -> Iterator[str]:
    for tick in TICKS:
        x = _x(tick)
        kind = "one" if tick == 1 else "grid"
        yield f'  <line class="{kind}" x1="{x}" y1="{TOP - 8}" x2="{x}" y2="{bottom}"/>'
        yield f'  <text class="faint" x="{x}" y="{bottom + 18}" text-anchor="middle">{tick:g} ×</text>'


def _row(report: Report, row: Row, y: int) -> Iterator[str]:
    yield f'  <text x="{LEFT}" y="{y + 12}">{escape(row.work)}</text>'
    for line, peer in enumerate((TIDEWIRE, HAND_WRITTEN)):
        better = _better(report, row, peer)
        if better is not None:
            yield from _bar(better, peer, y + 19 + line * (BAR + 2))


def _bar(better: Spread, peer: Peer, y: int) -> Iterator[str]:
    start, end = sorted((_x(1), _x(better.median)))
    least, most, middle = _x(better.least), _x(better.most), y + BAR / 2
    yield (
        f'  <rect class="{peer.name}" x="{start}" y="{y}" '
        f'width="{max(1.0, end - start):.1f}" height="{BAR}" rx="2"/>'
    )
    yield (
        f'  <path class="whisker" d="M{least} {middle}H{most}'
        f'M{least} {y + 2}v{BAR - 4}M{most} {y + 2}v{BAR - 4}"/>'
    )
    yield f'  <text class="faint" x="{max(end, most) + 6}" y="{y + BAR - 1}">{_said(better.median)}</text>'


def _better(report: Report, row: Row, peer: Peer) -> Spread | None:
    ratio = report.ratio(row, NODE.name, of=peer.name)
    if ratio is None or ratio.least <= 0:
        return None
    if row.more_is_better:
        return ratio
    return Spread(1 / ratio.median, 1 / ratio.most, 1 / ratio.least)


def _said(times: float) -> str:
    return f"under {LEAST:g}" if times < LEAST else f"{times:.2g}"


def _x(times: float) -> float:
    share = math.log(min(MOST, max(LEAST, times)) / LEAST) / math.log(MOST / LEAST)
    return round(MARGIN + share * (WIDTH - MARGIN - RIGHT), 1)
