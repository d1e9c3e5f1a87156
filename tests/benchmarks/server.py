"""A chat server in a process of its own for measuring: pinned to a core, its memory and CPU time read."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.conformance.chat import Chat, running_chat

SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass
class Measured:
    """A chat server and what its process has used."""

    chat: Chat

    @property
    def url(self) -> str:
        """Of the WebSocket endpoint."""
        return self.chat.url.replace("http", "ws", 1)

    @property
    def cpu(self) -> float:
        """Seconds of processor time, all threads together."""
        fields = Path(f"/proc/{self.chat.server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def rss(self) -> float:
        """MiB of resident memory."""
        lines = Path(f"/proc/{self.chat.server.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


@asynccontextmanager
async def measured(folder: Path, **env: str) -> AsyncGenerator[Measured]:
    """Run a chat server on one core, and this process, with the upstream and the clients, on another."""
    cores = sorted(os.sched_getaffinity(0))
    async with running_chat(folder, **env) as chat:
        if len(cores) > 1:
            _pin(chat.server.pid, cores[SERVER_CORE])
            os.sched_setaffinity(0, {cores[LOAD_CORE]})
        try:
            yield Measured(chat)
        finally:
            os.sched_setaffinity(0, cores)


def _pin(pid: int, core: int) -> None:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})
