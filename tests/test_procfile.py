"""What a platform does with the Procfile."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import httpx2

from tests.processes import (
    LINE_BYTES,
    ROOT,
    START_LINE,
    START_SECONDS,
    STOP_SECONDS,
    server_environment,
    stop,
)


async def test_what_a_platform_starts_listens_on_its_port_and_gets_its_signal(tmp_path: Path) -> None:
    [line] = (ROOT / "Procfile").read_text().splitlines()
    process_type, _, command = line.partition(": ")
    assert process_type == "web"
    # Tests stay on the loopback interface.
    assert "--host 0.0.0.0" in command
    command = command.replace("0.0.0.0", "127.0.0.1")
    scripts = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", command),
        stdout=PIPE,
        stderr=STDOUT,
        env=server_environment() | {"PATH": scripts, "PORT": "0"},
        cwd=tmp_path,
        limit=LINE_BYTES,
    )
    try:
        url = await asyncio.wait_for(announced(process), START_SECONDS)
        async with httpx2.AsyncClient(base_url=url) as client:
            assert (await client.get("/readyz")).status_code == 200
    finally:
        await stop(process)
    # If a shell had kept the signal for itself, the server would live on, and this would not end.
    log, _ = await asyncio.wait_for(process.communicate(), STOP_SECONDS)
    assert b"Asked to end" in log
    assert process.returncode == 0


async def announced(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    printed = b""
    async for line in process.stdout:
        printed += line
        if started := START_LINE.match(line.decode()):
            return started[1]
    raise AssertionError(f"It ended before it listened: {printed.decode()}")
