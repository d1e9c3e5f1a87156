"""How many streams a server holds."""

import math
from collections.abc import Mapping
from typing import Final

from . import relay
from .process import Running
from .upstream import Upstream

LATE: Final = 50.0
"""Milliseconds that the slowest hundredth of the tokens may take."""

STEP: Final = 1.12
"""Neighbouring numbers of streams that are tried are this far apart."""

REACH: Final = 7
"""Steps to either side of the first guess; the fourth probe decides between neighbours."""

MOST: Final = 3000
"""Streams; what one client process can still receive in time."""


class Capacity:
    """A search by halves on a scale of numbers; later rounds only look around the last result."""

    def __init__(self, seconds: float, probes: int) -> None:
        self._seconds = seconds
        self._probes = probes
        self._guesses: dict[str, float] = {}

    async def __call__(self, running: Running, upstream: Upstream) -> Mapping[str, float]:
        """Find the largest number that the server holds; not a number if it holds none that was tried."""
        name = running.peer.name
        if name in self._guesses:
            reach, probes = 1, 2
        else:
            self._guesses[name] = await self._first_guess(running, upstream)
            reach, probes = REACH, self._probes
        low, high, held, load = -reach - 1, reach + 1, 0, 0.0
        for _ in range(probes):
            if high - low < 2:
                break
            middle = (low + high) // 2
            count = min(MOST, round(self._guesses[name] * STEP**middle))
            ok, share = await self._holds(running, upstream, count)
            load = max(load, share)
            if ok:
                low, held = middle, count
            else:
                high = middle
        self._guesses[name] *= STEP**low
        return {"capacity": held or math.nan, "load": load}

    async def _first_guess(self, running: Running, upstream: Upstream) -> float:
        """What the processor would allow if every token cost what it costs at 100 streams."""
        seen = await relay.paced(running, upstream, 100, self._seconds)
        return max(20.0, min(MOST / 2, seen.tokens / seen.cpu / relay.RATE))

    async def _holds(self, running: Running, upstream: Upstream, count: int) -> tuple[bool, float]:
        try:
            seen = await relay.paced(running, upstream, count, self._seconds)
        except (TimeoutError, ConnectionError):
            return False, 0.0
        return seen.age(99) < LATE and seen.delivered > 0.97, seen.load
