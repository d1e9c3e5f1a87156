"""The cases: which servers do what, and what is recorded of it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from . import calls, relay
from .capacity import Capacity
from .peers import HAND_WRITTEN, NODE, PEERS, PYTHON_FLOOR, TIDEWIRE, Peer
from .process import Running
from .rows import LEVELS, WATCHERS
from .upstream import Upstream

Figures = Mapping[str, float]
"""By the key of their row."""

Work = Callable[[Running, Upstream], Awaitable[Figures]]

SERVERS: Final = (TIDEWIRE, NODE, HAND_WRITTEN)
"""Those that do more than relay."""


@dataclass(frozen=True)
class Step:
    """What one peer does after the other."""

    work: Work
    peers: Sequence[Peer] = SERVERS


@dataclass(frozen=True)
class Case:
    """Steps that are done in turn, round by round."""

    name: str
    steps: Sequence[Step]
    rpc: bool = False
    fresh: bool = False
    """Whether each step needs a new process."""

    @property
    def peers(self) -> Sequence[Peer]:
        """All that do anything."""
        return [peer for peer in PEERS if any(peer in step.peers for step in self.steps)]


async def _paced(level: int, seconds: float, running: Running, upstream: Upstream) -> Figures:
    seen = await relay.paced(running, upstream, level, seconds)
    return {
        f"relay-{level}-cpu": seen.cpu_per_token,
        f"relay-{level}-p50": seen.age(50),
        f"relay-{level}-p99": seen.age(99),
        f"relay-{level}-delivered": 100 * seen.delivered,
        "load": seen.load,
    }


async def _flat_out(seconds: float, running: Running, upstream: Upstream) -> Figures:
    seen = await relay.flat_out(running, upstream, 50, seconds)
    return {"flat-out": seen.tokens / seen.cpu, "load": seen.load}


async def _first_token(seconds: float, running: Running, upstream: Upstream) -> Figures:
    times = await relay.first_tokens(running, upstream, 100, seconds)
    return {"first-p50": relay.percentile(times, 50), "first-p99": relay.percentile(times, 99)}


async def _fan_out(watchers: int, seconds: float, running: Running, upstream: Upstream) -> Figures:
    seen = await calls.fan_out(running, upstream, watchers, seconds)
    return {f"fan-out-{watchers}": seen.tokens / seen.cpu, "load": seen.load}


async def _count(seconds: float, running: Running, upstream: Upstream) -> Figures:
    seen = await calls.count(running, upstream, seconds)
    return {"count": seen.frames / seen.cpu, "load": seen.load}


async def _queries(seconds: float, running: Running, upstream: Upstream) -> Figures:
    seen = await calls.queries(running, upstream, 64, seconds)
    return {"queries": seen.frames / seen.cpu, "load": seen.load}


async def _idle(sockets: int, running: Running, upstream: Upstream) -> Figures:
    return {"idle": await calls.idle(running, sockets)}


def cases(*, quick: bool) -> Sequence[Case]:
    """All cases; quick ones are shorter, and some are left out."""
    seconds = 0.7 if quick else 1.5
    with_floor = (*SERVERS, PYTHON_FLOOR)
    relays = [Step(partial(_paced, level, seconds), with_floor if quick else PEERS) for level in LEVELS[:3]]
    flat_out = Case("flat-out", [Step(partial(_flat_out, seconds), with_floor if quick else PEERS)])
    fan_out = Case("fan-out", [Step(partial(_fan_out, watchers, seconds)) for watchers in WATCHERS])
    count = Case("count", [Step(partial(_count, seconds))], rpc=True)
    queries = Case("queries", [Step(partial(_queries, seconds))], rpc=True)
    idle = Case("idle", [Step(partial(_idle, 1000 if quick else 5000))], fresh=True)
    if quick:
        return Case("relay", relays), flat_out, fan_out, count, queries, idle
    # Hand-written Python is far beyond its limits long before.
    relays.append(Step(partial(_paced, LEVELS[3], seconds), (TIDEWIRE, NODE, PYTHON_FLOOR)))
    capacity = Case("capacity", [Step(Capacity(seconds, probes=4))])
    first_token = Case("first-token", [Step(partial(_first_token, 2.0), with_floor)])
    return Case("relay", relays), flat_out, capacity, first_token, fan_out, count, queries, idle
