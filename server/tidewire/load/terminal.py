"""A report on a terminal."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from . import tables
from .report import Report


def show(report: Report, console: Console) -> None:
    """Print what was measured."""
    # Text, not markup: paths and messages may hold brackets.
    console.print(Text(f"{report.url}: {tables.headline(report)}"), soft_wrap=True)
    for table in (tables.counts(report), tables.latencies(report), tables.failures(report)):
        if table.rows:
            console.print(_table(table))
    for note in report.notes:
        console.print(Text(f"Note: {note}"), soft_wrap=True)


def _table(table: tables.Table) -> Table:
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, heading in enumerate(table.headings):
        is_text = number == 0 or "said" in heading
        drawn.add_column(
            heading, justify="left" if is_text else "right", overflow="fold", no_wrap=not is_text
        )
    for row in table.rows:
        drawn.add_row(*map(Text, row))
    return drawn
