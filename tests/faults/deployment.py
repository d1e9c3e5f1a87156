"""A chat server over several lives: its database, its port and its upstream outlive each of them."""

import asyncio
import json
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.conformance.chat import API_KEY, Chat, Playbook
from tests.processes import START_LINE, Server
from tests.upstream import Upstream

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 20.0

CRASHED: Final = 70
"""The exit code of a server that was told to crash."""

# Lines may be long where a database fails.
LINE_BYTES: Final = 1 << 20


@dataclass(eq=False)
class Life:
    """A server's process, from its start to its end."""

    pid: int = 0
    url: str = ""
    log: list[str] = field(default_factory=list, repr=False)
    """Lines of stdout and stderr so far."""
    code: int | None = None
    """Of its exit; negative for a signal."""
    _listening: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _heard: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _reading: asyncio.Task[None] | None = field(default=None, repr=False)

    async def begin(self, launcher: Path, order: Mapping[str, object]) -> None:
        """Have a process started, and wait until it listens.

        Raises:
            RuntimeError: it ended before; the message holds what it printed.
        """
        reader, writer = await asyncio.open_unix_connection(launcher, limit=LINE_BYTES)
        writer.write(json.dumps(order).encode() + b"\n")
        self._reading = asyncio.create_task(self._read(reader, writer))
        async with asyncio.timeout(START_SECONDS):
            await self._listening.wait()
        if not self.url:
            raise RuntimeError("The server ended before it listened:\n" + "\n".join(self.log))

    async def says(self, words: str) -> None:
        """Wait for a line of its log."""
        async with asyncio.timeout(STOP_SECONDS):
            while not any(words in line for line in self.log):
                self._heard.clear()
                await self._heard.wait()

    async def end(self) -> int:
        """Wait for its end; gives the exit code."""
        assert self._reading is not None
        async with asyncio.timeout(STOP_SECONDS):
            await asyncio.shield(self._reading)
        assert self.code is not None
        return self.code

    async def kill(self) -> None:
        """End it by SIGKILL."""
        self._signal(signal.SIGKILL)
        await self.end()

    def terminate(self) -> None:
        """Ask it to end, by SIGTERM."""
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        if self.code is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async for raw in reader:
                line = raw.decode(errors="replace").rstrip("\n")
                if line.startswith('{"pid"'):
                    self.pid = json.loads(line)["pid"]
                elif line.startswith('{"code"'):
                    self.code = json.loads(line)["code"]
                elif line:
                    self.log.append(line)
                    self._heard.set()
                    if started := START_LINE.match(line):
                        self.url = started[1]
                        self._listening.set()
        finally:
            self._listening.set()
            writer.close()


class Deployment:
    """Its servers are killed, ended and started again by the test, each on the port of the first.

        async with Deployment(launcher, tmp_path) as deployment:
            life = await deployment.start()
            await life.kill()
            await deployment.start()
            client = connect(deployment.url)

    Args:
        launcher: the socket of one, see `launcher.py`.
        folder: where the database is.
        target: another application than the chat server.
        settings: environment variables of every life.
    """

    def __init__(self, launcher: Path, folder: Path, target: str | None = None, **settings: str) -> None:
        self.database = folder / "chat.db"
        self.upstream = Upstream()
        self.playbook = Playbook()
        self.lives: list[Life] = []
        self.url = ""
        """Of the endpoint; the same in every life."""
        self._launcher = launcher
        self._folder = folder
        self._target = [target] if target else []
        self._settings = settings

    async def __aenter__(self) -> Self:
        self.upstream.always(self.playbook)
        await self.upstream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for life in self.lives:
            await life.kill()
        await self.upstream.__aexit__(kind, error, trace)
        assert not any(API_KEY in line for life in self.lives for line in life.log)

    async def start(self, *, port: int | None = None, **env: str) -> Life:
        """Start a server, on the usual port unless told otherwise; `env` are settings of this life only.

        Raises:
            RuntimeError: it ended before it listened; the message holds what it printed.
        """
        usual = self.url.rpartition(":")[2].partition("/")[0] or "0"
        settings = {
            "OPENAI_API_KEY": API_KEY,
            "OPENAI_BASE_URL": self.upstream.base_url,
            "DATABASE_URL": f"sqlite:///{self.database}",
            "TIDEWIRE_MAX_RETRIES": "0",
            "TIDEWIRE_TRANSFORMER": "none",
            **self._settings,
            **env,
        }
        chosen = usual if port is None else str(port)
        arguments = ["serve", *self._target, "--host", "127.0.0.1", "--port", chosen]
        life = Life()
        self.lives.append(life)
        await life.begin(self._launcher, {"arguments": arguments, "env": settings, "cwd": str(self._folder)})
        if port is None:
            self.url = f"{life.url}/api/trpc"
        return life

    def chat(self, life: Life) -> Chat:
        """One life in the form that other tests use."""
        return Chat(Server(life.url, life.pid, life.log), self.upstream, self.playbook, self.database)
