"""One run from its plan to its report."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Generator
from datetime import datetime
from typing import Final

from rich.console import Console

from .plan import Plan, PlanError
from .probe import probe
from .progress import display
from .report import Report, Reporter
from .workers import Workers

REFRESH_SECONDS: Final = 0.25
TWICE_SECONDS: Final = 0.5
"""Wrappers pass a Ctrl-C on that the terminal has sent to all: sooner than this it is the same one."""


async def run(plan: Plan, console: Console) -> Report:
    """Probe the server, put the load on it, and sum up; Ctrl-C ends it early, and twice at once.

    Raises:
        PlanError: there is no such server, or the workers do not work.
    """
    plan = await probe(plan)
    reporter = Reporter(plan, datetime.now().astimezone())
    workers = Workers(plan, reporter.take)
    began = time.monotonic()
    interrupts: list[float] = []

    def start() -> None:
        nonlocal began
        began = time.monotonic()

    def interrupt() -> None:
        now = time.monotonic()
        if not interrupts:
            workers.stop()
        elif now - interrupts[-1] > TWICE_SECONDS:
            workers.kill()
        interrupts.append(now)

    with _on_interrupt(interrupt), display(console, plan.duration) as shown:
        work = asyncio.create_task(workers.run(start))
        while not work.done():
            await asyncio.wait([work], timeout=REFRESH_SECONDS)
            shown.update(reporter, time.monotonic() - began)
    # Who interrupts has killed the workers, or been impatient before they had started.
    with contextlib.suppress(*([PlanError] if interrupts else [])):
        work.result()
    return reporter.report(interrupted=bool(interrupts))


@contextlib.contextmanager
def _on_interrupt(act: Callable[[], None]) -> Generator[None]:
    loop = asyncio.get_running_loop()
    previous = signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(act))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
