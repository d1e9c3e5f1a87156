"""Real processes for tests: a `tidewire serve` of one's own, and Node programs that print JSON lines."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
CONFORMANCE: Final = ROOT / "tests" / "conformance"

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

    `env` is added to an environment without settings of the server; `cwd` is where the
    database and the `.env` of the chat server are, the checkout by default. On exit the
    server gets SIGTERM.

    Raises:
        RuntimeError: it ended before it listened; the message holds what it printed.
        TimeoutError: it did not listen within `START_SECONDS`, or stop within `STOP_SECONDS`.
    """
    command = [sys.executable, "-m", "tidewire", "serve", *arguments, "--host", "127.0.0.1", "--port", "0"]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env=server_environment() | dict(env or {}),
        cwd=cwd or ROOT,
        limit=LINE_BYTES,
    )
    log: list[str] = []
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    readers = asyncio.gather(*(_read_log(stream, log, url) for stream in _outputs(process)))
    try:
        yield Server(await _listening(url, readers, log), process.pid, log)
    finally:
        try:
            await stop(process)
        finally:
            await readers


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


async def _read_log(stream: asyncio.StreamReader, log: list[str], url: asyncio.Future[str]) -> None:
    async for raw in stream:
        line = raw.decode(errors="replace").rstrip("\n")
        log.append(line)
        if not url.done() and (started := START_LINE.match(line)):
            url.set_result(started[1])


async def _listening(url: asyncio.Future[str], ended: asyncio.Future[Any], log: list[str]) -> str:
    waiting: list[asyncio.Future[Any]] = [url, ended]
    done, _ = await asyncio.wait(waiting, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    if url in done:
        return url.result()
    printed = "\n".join(log)
    if ended in done:
        raise RuntimeError(f"the server ended before it listened:\n{printed}")
    raise TimeoutError(f"the server did not listen within {START_SECONDS} s:\n{printed}")
