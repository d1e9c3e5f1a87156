"""Line charts as SVG, without a script."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 640
HEIGHT: Final = 250
LEFT, RIGHT, TOP, BOTTOM = 62, 22, 50, 34
COLOURS: Final = ("#2563eb", "#dc2626", "#059669", "#9333ea")
DASHES: Final = ("none", "6 3", "2 3", "8 3 2 3")

Point = tuple[float, float | None]


@dataclass(frozen=True)
class Line:
    """One series; a y of None is a gap."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Chart:
    """Series over the same axes, from zero up, or over powers of ten."""

    title: str
    lines: Sequence[Line]
    x_ticks: Sequence[tuple[float, str]]
    x_label: str
    log: bool = False

    def svg(self) -> str:
        """Draw it."""
        scale = _Scale(self)
        parts = [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(self.title)}">',
            f'<text x="{LEFT}" y="16" class="title">{escape(self.title)}</text>',
            *(_y_tick(scale, value) for value in scale.y_ticks),
            *(_x_tick(scale, at, label) for at, label in self.x_ticks),
            f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">{escape(self.x_label)}</text>',
            *(_curve(scale, number, line) for number, line in enumerate(self.lines)),
            *(_legend(number, line) for number, line in enumerate(self.lines)),
            "</svg>",
        ]
        return "".join(parts)


class _Scale:
    def __init__(self, chart: Chart) -> None:
        xs = [x for line in chart.lines for x, _ in line.points] + [at for at, _ in chart.x_ticks]
        ys = [y for line in chart.lines for _, y in line.points if y is not None]
        self.log = chart.log
        self.left, self.right = min(xs, default=0.0), max(xs, default=1.0)
        positive = [y for y in ys if y > 0]
        if chart.log:
            low = math.floor(math.log10(min(positive, default=0.001)))
            high = max(math.ceil(math.log10(max(positive, default=1.0))), low + 1)
            self.low, self.high = float(low), float(high)
            self.y_ticks = [10.0**power for power in range(low, high + 1)]
        else:
            step = _step(max(ys, default=0.0) or 1.0)
            count = math.ceil((max(ys, default=0.0) or 1.0) / step)
            self.low, self.high = 0.0, count * step
            self.y_ticks = [step * number for number in range(count + 1)]

    def x(self, value: float) -> float:
        span = (self.right - self.left) or 1.0
        return round(LEFT + (value - self.left) / span * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        at = max(math.log10(value), self.low) if self.log and value > 0 else self.low if self.log else value
        return round(HEIGHT - BOTTOM - (at - self.low) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM), 1)


def _step(highest: float) -> float:
    """Choose round ticks, five at most."""
    power = 10.0 ** math.floor(math.log10(highest / 4))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor * 5 >= highest)


def short(value: float) -> str:
    """Write a number in few letters: 12.5k."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


def _y_tick(scale: _Scale, value: float) -> str:
    y = scale.y(value)
    return (
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" class="grid"/>'
        f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{short(value)}</text>'
    )


def _x_tick(scale: _Scale, at: float, label: str) -> str:
    return f'<text x="{scale.x(at)}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{escape(label)}</text>'


def _curve(scale: _Scale, number: int, line: Line) -> str:
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
    runs: list[list[str]] = [[]]
    for x, y in line.points:
        if y is None:
            runs.append([])
        else:
            runs[-1].append(f"{scale.x(x)},{scale.y(y)}")
    return "".join(_run(run, colour, dash) for run in runs if run)


def _run(points: list[str], colour: str, dash: str) -> str:
    if len(points) > 1:
        return f'<polyline points="{" ".join(points)}" stroke="{colour}" stroke-dasharray="{dash}"/>'
    x, y = points[0].split(",")
    return f'<circle cx="{x}" cy="{y}" r="2.5" fill="{colour}"/>'


def _legend(number: int, line: Line) -> str:
    x = LEFT + 130 * number
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
    return (
        f'<line x1="{x}" x2="{x + 22}" y1="32" y2="32" stroke="{colour}" stroke-dasharray="{dash}" '
        f'stroke-width="2"/><text x="{x + 27}" y="36">{escape(line.name)}</text>'
    )
