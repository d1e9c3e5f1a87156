"""Compare the speed of this server with others': `python -m tests.benchmarks`.

Servers take turns, round by round, on one core; clients and upstream have another.
"""

import argparse
import asyncio
import gc
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from .cases import Case, Step, cases
from .document import described, write
from .picture import picture
from .process import LOAD_CORE, Running, running
from .report import Report
from .upstream import Upstream

ROUNDS: Final = 5
NAMES: Final = [case.name for case in cases(quick=False)]


async def run(case: Case, rounds: int, upstream: Upstream, report: Report) -> None:
    """Do a case: round by round, step by step, one peer after the other."""
    async with AsyncExitStack() as stack:
        servers: dict[str, Running] = {}
        if not case.fresh:
            starting = (running(peer, upstream.url, rpc=case.rpc) for peer in case.peers)
            started = await asyncio.gather(*map(stack.enter_async_context, starting))
            servers = {server.peer.name: server for server in started}
        for number in range(rounds):
            print(f"{case.name}: round {number + 1} of {rounds}", file=sys.stderr)
            for step in case.steps:
                for peer in step.peers:
                    if case.fresh:
                        async with running(peer, upstream.url, rpc=case.rpc) as server:
                            await _do(step, server, upstream, report, number)
                    else:
                        await _do(step, servers[peer.name], upstream, report, number)


async def _do(step: Step, server: Running, upstream: Upstream, report: Report, number: int) -> None:
    try:
        report.add(server.peer.name, number, await step.work(server, upstream))
    # OSError: its process is gone, so that nothing can be told of it.
    except* (TimeoutError, OSError) as errors:
        # A server that is beyond its limits says so in many ways; the others' figures still count.
        print(f"  {server.peer.title}: {errors.exceptions[0]!r}", file=sys.stderr)


def about() -> dict[str, str]:
    """What was measured on what."""
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    names = ("openai", "uvicorn", "starlette", "fastapi")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{model}, {len(os.sched_getaffinity(0))} cores, Linux {platform.release().split('-')[0]}",
        "versions": f"Python {platform.python_version()}, Node {node.removeprefix('v')}, "
        + ", ".join(f"{name} {version(name)}" for name in names),
    }


async def main(names: Sequence[str], rounds: int, *, quick: bool) -> Report:
    """Measure."""
    report = Report(about())
    os.sched_setaffinity(0, {LOAD_CORE})
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.freeze()
    upstream = Upstream()
    await upstream.start()
    try:
        for case in cases(quick=quick):
            if case.name in names:
                await run(case, rounds, upstream, report)
    finally:
        await upstream.close()
    return report


def command() -> None:
    """Read the command line, measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=NAMES, help="one case; can be repeated")
    parser.add_argument("--rounds", type=int, help=f"how often each case is done ({ROUNDS})")
    parser.add_argument(
        "--quick", action="store_true", help="one short round of most cases, for a first impression"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the ratios")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into a document")
    parser.add_argument(
        "--from", type=Path, metavar="FILE", dest="saved", help="measure nothing; take this JSON"
    )
    chosen = parser.parse_args()
    began = time.monotonic()
    if chosen.saved:
        report = Report.from_json(chosen.saved.read_bytes())
    else:
        rounds = chosen.rounds or (1 if chosen.quick else ROUNDS)
        report = uvloop.run(main(chosen.only or NAMES, rounds, quick=chosen.quick))
    print(described(report))
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    if chosen.svg:
        chosen.svg.write_text(picture(report))
    if chosen.write:
        write(chosen.write, report)
    if chosen.json:
        chosen.json.write_bytes(msgspec.json.format(msgspec.json.encode(report.as_json())))


if __name__ == "__main__":
    command()
