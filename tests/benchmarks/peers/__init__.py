"""What is measured: this project's server, and those it is compared with."""

from dataclasses import dataclass, field
from typing import Final

PYTHON: Final = "{python}"


@dataclass(frozen=True)
class Peer:
    """One server. In its commands `{python}`, `{root}` and `{peers}` stand for programs and folders."""

    name: str
    title: str
    command: tuple[str, ...]
    rpc: tuple[str, ...] = ()
    """Another command for what has nothing to do with chat."""
    env: dict[str, str] = field(default_factory=dict)
    floor: bool = False
    """Whether it does nothing but relay."""


TIDEWIRE: Final = Peer(
    "tidewire",
    "Tidewire",
    (PYTHON, "-m", "tidewire", "serve", "--port", "0"),
    (PYTHON, "-m", "tidewire", "serve", "tests.benchmarks.peers.rpc_app:app", "--port", "0"),
    {
        "TIDEWIRE_TRANSFORMER": "none",
        "TIDEWIRE_MODEL": "benchmark",
        "TIDEWIRE_LOG_LEVEL": "error",
        "TIDEWIRE_MAX_CONCURRENT_TURNS": "10000",
        "TIDEWIRE_SHUTDOWN_GRACE": "0",
    },
)
NODE: Final = Peer("node", "Node", ("node", "{peers}/node/server.mjs"), env={"NODE_ENV": "production"})
HAND_WRITTEN: Final = Peer(
    "python",
    "hand-written Python",
    (PYTHON, "-m", "uvicorn", "tests.benchmarks.peers.python.app:app", "--port", "0", "--no-access-log"),
)
PYTHON_FLOOR: Final = Peer("floor", "Python floor", (PYTHON, "{peers}/relay/server.py"), floor=True)
NODE_FLOOR: Final = Peer(
    "node-floor", "Node floor", ("node", "{peers}/node/relay.mjs"), env={"NODE_ENV": "production"}, floor=True
)

PEERS: Final = (TIDEWIRE, NODE, HAND_WRITTEN, PYTHON_FLOOR, NODE_FLOOR)
