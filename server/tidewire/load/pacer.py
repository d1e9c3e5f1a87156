"""A clock for open loops, finer than an event loop's timers, which uvloop rounds to milliseconds."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Final

TICK: Final = 250_000
"""Nanoseconds; calls that are due within one are made together. Waking a loop takes some 20 µs."""


class Pacer:
    """Tells the loop of each moment of a schedule, from a thread that sleeps in between.

    A loop that is busy hears of moments late, but of all of them, each with the time at which it was due.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, fire: Callable[[int], None], first: int, period: float
    ) -> None:
        self._loop = loop
        self._fire = fire
        self._first = first
        self._period = period
        self._count = 0
        self._stopped = threading.Event()
        self._told = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pacer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Fire no more; call it from the loop. The thread ends by itself, within half a second."""
        self._stopped.set()
        self._told.set()

    def _due(self) -> int:
        return self._first + int(self._count * self._period)

    def _run(self) -> None:
        while not self._stopped.is_set():
            wait = self._due() - time.monotonic_ns()
            # Not Event.wait(): it adds 50 µs and more; at most half a second passes before a stop is seen.
            time.sleep(min(max(wait, TICK), 500_000_000) / 1e9)
            if self._due() <= time.monotonic_ns() and not self._stopped.is_set():
                self._told.clear()
                try:
                    self._loop.call_soon_threadsafe(self._catch_up)
                except RuntimeError:  # the loop has been closed meanwhile
                    return
                # One call into the loop at a time: a busy loop must not find thousands of them.
                self._told.wait()

    def _catch_up(self) -> None:
        now = time.monotonic_ns()
        while (due := self._due()) <= now and not self._stopped.is_set():
            self._count += 1
            self._fire(due)
        self._told.set()
