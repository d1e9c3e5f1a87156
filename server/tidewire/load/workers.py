"""The processes of the load, seen from the one that started them."""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from typing import Final

import msgspec

from .plan import Plan, PlanError
from .tally import Slice
from .worker import READY

START_SECONDS: Final = 30.0
EXTRA_SECONDS: Final = 20.0
"""What a worker gets beyond its plan before it is killed; it needs eight at most."""
LINE_BYTES: Final = 16 << 20


class Workers:
    """Runs a plan in `plan.workers` processes and hands their slices on."""

    def __init__(self, plan: Plan, take: Callable[[int, Slice], None]) -> None:
        self._plan = plan
        self._take = take
        self._processes: list[Process] = []

    async def run(self, started: Callable[[], None]) -> None:
        """Start them together, and wait for all of them to end.

        Raises:
            PlanError: one could not start, or ended before its time.
        """
        try:
            async with asyncio.timeout(START_SECONDS):
                for index in range(self._plan.workers):
                    self._processes.append(await self._start(index))
                await asyncio.gather(*map(_ready, self._processes))
        except TimeoutError:
            self.kill()
            raise PlanError(f"The workers did not start within {START_SECONDS:g} s.") from None
        started()
        for process in self._processes:
            _tell(process, b"go\n")
        try:
            async with asyncio.timeout(self._plan.duration + EXTRA_SECONDS):
                await asyncio.gather(*(self._read(index) for index in range(len(self._processes))))
        except TimeoutError:
            raise PlanError("A worker did not end in time, and was killed.") from None
        finally:
            self.kill()

    def stop(self) -> None:
        """Let them end now; `run` returns when they have sent their last slices."""
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()

    def kill(self) -> None:
        """End them at once."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    async def _start(self, index: int) -> Process:
        # -P, for the directory that the command runs in may hold a module of any name.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "tidewire.load.worker",
            stdin=PIPE,
            stdout=PIPE,
            limit=LINE_BYTES,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        _tell(process, b"%d " % index + msgspec.json.encode(self._plan) + b"\n")
        return process

    async def _read(self, index: int) -> None:
        process = self._processes[index]
        assert process.stdout is not None
        is_over = False
        while line := await process.stdout.readline():
            piece = msgspec.json.decode(line, type=Slice)
            if piece.over:
                is_over = True
            else:
                self._take(index, piece)
        await process.wait()
        if not is_over:
            raise PlanError("A worker ended before its time; its last words are above.")


async def _ready(process: Process) -> None:
    assert process.stdout is not None
    if await process.stdout.readline() != READY:
        raise PlanError("A worker could not start; its last words are above.")


def _tell(process: Process, line: bytes) -> None:
    if process.stdin is not None:
        with contextlib.suppress(ConnectionError):
            process.stdin.write(line)
