"""Real processes for tests: a `tidewire serve` of one's own, and Node programs that print JSON lines."""

import asyncio
import atexit
import contextlib
import functools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
CONFORMANCE: Final = ROOT / "tests" / "conformance"

READY: Final = "ready"
"""What a launcher prints when it takes orders."""

START_LINE: Final = re.compile(r"Tidewire is listening on (http://127\.0\.0\.1:\d+)")
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 15.0

# A transcript is one line, and some scenarios send a megabyte.
LINE_BYTES: Final = 16 << 20


@dataclass
class Server:
    """A running `tidewire serve`."""

    url: str
    pid: int
    log: list[str] = field(repr=False)
    """Lines of stdout and stderr so far, in the order in which they were read."""


@contextlib.asynccontextmanager
async def serve(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> AsyncGenerator[Server]:
    """Run `tidewire serve` with these arguments on a free port of the loopback interface.

    It is a fork of a process that has imported what servers import: starting one of its own took the
    processor 0.7 seconds instead of 0.1.

    `env` is added to an environment without settings of the server; `cwd` is where the
    database and the `.env` of the chat server are, the checkout by default. On exit the
    server gets SIGTERM. The event loop has to run meanwhile: after some 250 lines of the
    log that nobody reads the server stands still.

    Raises:
        RuntimeError: it ended before it listened; the message holds what it printed.
        TimeoutError: it did not listen within `START_SECONDS`, or stop within `STOP_SECONDS`.
    """
    command = ["serve", *arguments, "--host", "127.0.0.1", "--port", "0"]
    order = {"arguments": command, "env": dict(env or {}), "cwd": str(cwd or ROOT)}
    life = Life()
    try:
        await life.begin(launcher(), order)
        yield Server(life.url, life.pid, life.log)
    finally:
        await life.stop()


@dataclass(eq=False)
class Life:
    """A server's process, from its start to its end."""

    pid: int = 0
    url: str = ""
    log: list[str] = field(default_factory=list, repr=False)
    """Lines of stdout and stderr so far."""
    code: int | None = None
    """Of its exit; negative for a signal."""
    was_ended: bool = False
    """A signal was sent to it."""
    _listening: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _heard: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _reading: asyncio.Task[None] | None = field(default=None, repr=False)

    async def begin(self, launcher: Path, order: Mapping[str, object]) -> None:
        """Have a process started, and wait until it listens.

        Raises:
            RuntimeError: it ended before; the message holds what it printed.
            TimeoutError: it did not listen within `START_SECONDS`; so does this one.
        """
        reader, writer = await asyncio.open_unix_connection(launcher, limit=LINE_BYTES)
        writer.write(json.dumps(order).encode() + b"\n")
        self._reading = asyncio.create_task(self._read(reader, writer))
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._listening.wait()
        except TimeoutError:
            printed = "\n".join(self.log)
            raise TimeoutError(f"the server did not listen within {START_SECONDS} s:\n{printed}") from None
        if not self.url:
            raise RuntimeError("the server ended before it listened:\n" + "\n".join(self.log))

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

    async def stop(self) -> None:
        """End it by SIGTERM, or by SIGKILL when it takes too long.

        Raises:
            TimeoutError: it had to be killed.
        """
        if self._reading is None:
            return
        self.terminate()
        try:
            await self.end()
        except BaseException:
            await self.kill()
            raise

    def terminate(self) -> None:
        """Ask it to end, by SIGTERM."""
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        self.was_ended = True
        # 0 would be this process and all it has started.
        if self.code is None and self.pid:
            with contextlib.suppress(ProcessLookupError):
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


@contextlib.contextmanager
def launching() -> Generator[Path]:
    """Run what starts servers in a fraction of the usual time; gives its socket."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "launcher"
        command = [sys.executable, "-m", "tests.launcher", str(path)]
        with subprocess.Popen(
            command, stdin=PIPE, stdout=PIPE, env=server_environment(), cwd=ROOT
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline().strip() == READY.encode()
            yield path
            process.stdin.close()


@functools.cache
def launcher() -> Path:
    """The socket of a launcher that runs as long as this process."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(launching())


def server_environment() -> dict[str, str]:
    """This process's environment without what configures a server, and with `tests` importable."""
    settings = re.compile(r"(OPENAI|TIDEWIRE)_\w+|DATABASE_URL|PORT")
    inherited = {name: value for name, value in os.environ.items() if not settings.fullmatch(name)}
    path = [str(ROOT), *filter(None, [inherited.get("PYTHONPATH")])]
    return inherited | {"PYTHONPATH": os.pathsep.join(path)}


async def stop(process: Process) -> None:
    """End a process by SIGTERM, or by SIGKILL when it takes too long.

    Raises:
        TimeoutError: it had to be killed.
    """
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def node(
    script: str, *arguments: str, seconds: float = 60.0, env: Mapping[str, str] | None = None
) -> AsyncIterator[Any]:
    """Run a Node program of `tests/conformance` and give each line it prints, decoded from JSON.

    Raises:
        RuntimeError: it exited with another code than 0; the message holds its stderr.
        TimeoutError: it ran for longer than `seconds`.
    """
    process = await start_node(script, *arguments, env=env)
    stdout, stderr = _outputs(process)
    complaints = asyncio.create_task(stderr.read())
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    try:
        while line := await asyncio.wait_for(stdout.readline(), deadline - loop.time()):
            yield json.loads(line)
        if await asyncio.wait_for(process.wait(), deadline - loop.time()):
            raise RuntimeError(f"{script} failed:\n{(await complaints).decode()}")
    finally:
        try:
            await stop(process)
        finally:
            await complaints


async def start_node(script: str, *arguments: str, env: Mapping[str, str] | None = None) -> Process:
    """Start a Node program of `tests/conformance` with pipes to its stdin, stdout and stderr."""
    return await asyncio.create_subprocess_exec(
        "node",
        script,
        *arguments,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=dict(os.environ) | dict(env or {}),
        cwd=CONFORMANCE,
        limit=LINE_BYTES,
    )


def _outputs(process: Process) -> tuple[asyncio.StreamReader, asyncio.StreamReader]:
    assert process.stdout is not None
    assert process.stderr is not None
    return process.stdout, process.stderr
