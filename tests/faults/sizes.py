"""How much the fault tests do: enough for every change, or with TIDEWIRE_SOAK=1 for a night."""

import os
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Sizes:
    """Counts; each is a multiple of some work that takes about as long."""

    rounds: int
    """How often a test with a seed runs, each time with another one."""
    sockets: int
    """That are cut at once."""
    stops: int
    """That race the end of their turn."""
    deltas: int
    """Of a long answer; each has some 200 characters, and a turn may have 8 Mi of them."""
    kills: int
    """Of each of a few servers."""
    deploys: int
    """In a row, under one client."""


QUICK: Final = Sizes(rounds=1, sockets=200, stops=100, deltas=4_000, kills=17, deploys=3)
SOAK: Final = Sizes(rounds=20, sockets=1_000, stops=2_000, deltas=30_000, kills=200, deploys=20)

SIZES: Final = SOAK if os.environ.get("TIDEWIRE_SOAK", "0") not in {"", "0"} else QUICK
SEEDS: Final = range(SIZES.rounds)
