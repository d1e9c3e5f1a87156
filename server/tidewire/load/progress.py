"""What is seen while a run lasts: a bar on a terminal, a line every few seconds elsewhere."""

import time
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from .report import Reporter

FIRST_LINE_SECONDS: Final = 1.0
LINE_SECONDS: Final = 5.0


class Display(Protocol):
    """Shows how far a run is."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def update(self, reporter: Reporter, elapsed: float) -> None:
        """Show the newest numbers."""


def display(console: Console, duration: float) -> Display:
    """Choose what fits where it is shown."""
    return Bar(console, duration) if console.is_terminal else Lines(console, duration)


class Bar:
    """A bar with the numbers of the last second."""

    def __init__(self, console: Console, duration: float) -> None:
        self._progress = Progress(
            BarColumn(bar_width=30),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[numbers]}"),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("", total=duration, numbers="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(self, reporter: Reporter, elapsed: float) -> None:
        self._progress.update(self._task, completed=elapsed, numbers=numbers(reporter))


class Lines:
    """Plain lines, for logs."""

    def __init__(self, console: Console, duration: float) -> None:
        self._console = console
        self._duration = duration
        self._next = time.monotonic() + FIRST_LINE_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def update(self, reporter: Reporter, elapsed: float) -> None:
        if time.monotonic() >= self._next and reporter.has_begun:
            self._next = time.monotonic() + LINE_SECONDS
            text = f"{min(elapsed, self._duration):.0f} of {self._duration:g} s: {numbers(reporter)}"
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def numbers(reporter: Reporter) -> str:
    """Put the last second into a line."""
    second = reporter.second
    totals = reporter.totals
    parts = [f"{second.sockets:,} sockets"]
    if totals.answered:
        parts.append(f"{second.answered:,} answers/s")
    if totals.events or not totals.answered:
        parts.append(f"{second.events:,} events/s")
    if totals.failed:
        parts.append(f"{totals.failed:,} failed")
    return ", ".join(parts)
