"""The figures in a document, between two marks."""

from pathlib import Path
from typing import Final

from .report import Report, table

BEGIN: Final = "<!-- figures: written by python -m tests.benchmarks --write -->"
END: Final = "<!-- end of figures -->"


def write(path: Path, report: Report) -> None:
    """Replace what stands between the marks.

    Raises:
        ValueError: there are no marks.
    """
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{path} has no place for figures: {BEGIN} … {END}")
    path.write_text(f"{before}{BEGIN}\n\n{described(report)}\n\n{END}{after}")


def described(report: Report) -> str:
    """The table, and what it was measured on."""
    rounds = "one round" if report.rounds == 1 else f"{report.rounds} rounds"
    return (
        f"{report.about['date']}: {rounds} on {report.about['machine']}; "
        f"{report.about['versions']}. Clients and upstream used up to {report.load:.0%} of their core.\n\n"
        f"{table(report)}"
    )
