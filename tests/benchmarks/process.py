"""A server's process: pinned to a core of its own, and what it uses."""

import asyncio
import os
import re
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.processes import ROOT, server_environment

from .peers import Peer

URL: Final = re.compile(r"http://127\.0\.0\.1:\d+")
START_SECONDS: Final = 30.0

CORES: Final = sorted(os.sched_getaffinity(0))
SERVER_CORE: Final = CORES[0]
LOAD_CORE: Final = CORES[-1]

QUIET: Final = 0.05
"""Share of a core below which a server counts as idle."""


@dataclass
class Running:
    """One server."""

    peer: Peer
    url: str
    pid: int

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far, of all threads and all children."""
        return sum(cpu_of(pid) for pid in [self.pid, *_descendants(self.pid)])

    @property
    def memory(self) -> int:
        """Bytes of resident memory, with the children's."""
        return sum(_resident(pid) for pid in [self.pid, *_descendants(self.pid)])

    async def quiet(self, seconds: float = 2.0) -> bool:
        """Wait until the server has nothing to do; tell whether it came to that in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            before, began = self.cpu, time.monotonic()
            await asyncio.sleep(0.1)
            if self.cpu - before < QUIET * (time.monotonic() - began):
                return True
        return False


def cpu_of(pid: int) -> float:
    """Seconds of processor time of a process, ended threads included.

    /proc/PID/stat has the same figure in hundredths of a second, which is too coarse for short windows.
    """
    return time.clock_gettime((~pid << 3) | 2)


@asynccontextmanager
async def running(peer: Peer, upstream: str, *, rpc: bool = False) -> AsyncGenerator[Running]:
    """Run a peer on the server's core.

    Args:
        upstream: the base URL of its provider.
        rpc: run what answers `count` and `double`, where that is another server.
    """
    command = peer.rpc if rpc and peer.rpc else peer.command
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            *("taskset", "--cpu-list", str(SERVER_CORE)),
            *(
                part.format(python=sys.executable, root=ROOT, peers=ROOT / "tests/benchmarks/peers")
                for part in command
            ),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=server_environment() | {"OPENAI_BASE_URL": upstream, "OPENAI_API_KEY": "none"} | peer.env,
            cwd=folder,
        )
        log: list[str] = []
        reading: asyncio.Task[None] | None = None
        try:
            url = await asyncio.wait_for(_announced(process, log), START_SECONDS)
            reading = asyncio.create_task(_read(process, log))
            yield Running(peer, url, process.pid)
        finally:
            await _kill(process)
            if reading is not None:
                await reading


async def _announced(process: Process, log: list[str]) -> str:
    assert process.stdout is not None
    async for line in process.stdout:
        log.append(line.decode(errors="replace"))
        if found := URL.search(log[-1]):
            return found[0]
    raise RuntimeError(f"a server ended before it listened:\n{''.join(log)}")


async def _read(process: Process, log: list[str]) -> None:
    assert process.stdout is not None
    log.extend([line.decode(errors="replace") async for line in process.stdout])


async def _kill(process: Process) -> None:
    """End it at once: nothing it has is needed any more."""
    if process.returncode is None:
        process.kill()
        await process.wait()


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, tasks.read_text().split()):
            found += [child, *_descendants(child)]
    return found


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
