"""One run from its plan to its report."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from rich.console import Console

from .plan import Plan
from .probe import probe
from .progress import display
from .report import Report, Reporter
from .workers import Workers

REFRESH_SECONDS: Final = 0.25


async def run(plan: Plan, console: Console) -> Report:
    """Probe the server, put the load on it, and sum up; Ctrl-C ends it early, and twice at once.

    Raises:
        PlanError: there is no such server, or the workers do not work.
    """
    plan = await probe(plan)
    reporter = Reporter(plan, datetime.now().astimezone())
    workers = Workers(plan, reporter.take)
    began = time.monotonic()
    interrupts = 0

    def start() -> None:
        nonlocal began
        began = time.monotonic()

    def interrupt() -> None:
        nonlocal interrupts
        interrupts += 1
        workers.stop() if interrupts == 1 else workers.kill()

    with _on_interrupt(interrupt), display(console, plan.duration) as shown:
        work = asyncio.create_task(workers.run(start))
        while not work.done():
            await asyncio.wait([work], timeout=REFRESH_SECONDS)
            shown.update(reporter, time.monotonic() - began)
    if interrupts < 2:
        work.result()
    return reporter.report(seconds=time.monotonic() - began, interrupted=interrupts > 0)


@contextlib.contextmanager
def _on_interrupt(act: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    previous = signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(act))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
