"""The cases: which servers do what, and what is recorded of it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from . import calls, relay
from .capacity import Capacity
from .peers import HAND_WRITTEN, NODE, PEERS, TIDEWIRE, Peer
from .process import Running
from .rows import LEVELS
from .upstream import Upstream

Figures = Mapping[str, float]
"""By the key of their row."""

Step = Callable[[Running, Upstream], Awaitable[Figures]]

SERVERS: Final = (TIDEWIRE, NODE, HAND_WRITTEN)
"""Those that do more than relay."""


@dataclass(frozen=True)
class Case:
    """Steps that are done in turn, each by one peer after the other."""

    name: str
    steps: Sequence[Step]
    peers: Sequence[Peer] = PEERS
    rpc: bool = False
    fresh: bool = False
    """Whether each step needs a new process."""


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
    """All cases; quick ones are shorter and smaller."""
    seconds = 0.7 if quick else 1.5
    levels = LEVELS[:3] if quick else LEVELS
    return (
        Case("relay", [partial(_paced, level, seconds) for level in levels]),
        Case("flat-out", [partial(_flat_out, seconds)]),
        Case("capacity", [Capacity(seconds, probes=2 if quick else 4)], peers=PEERS[:4]),
        Case("first-token", [partial(_first_token, 1.0 if quick else 2.0)], peers=PEERS[:4]),
        Case("fan-out", [partial(_fan_out, 100, seconds), partial(_fan_out, 1000, seconds)], peers=SERVERS),
        Case("count", [partial(_count, seconds)], peers=SERVERS, rpc=True),
        Case("queries", [partial(_queries, seconds)], peers=SERVERS, rpc=True),
        Case("idle", [partial(_idle, 1000 if quick else 5000)], peers=SERVERS, rpc=True, fresh=True),
    )
