"""One process of the load: `python -m tidewire.load.worker`, started by `workers`.

It reads its plan as the first line of stdin and says it is ready; the next line starts it, and the end
of stdin ends it. Each second it writes one slice.
"""

import asyncio
import signal
import sys
import time
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from itertools import cycle, islice
from ssl import SSLContext
from typing import Any, Final

import msgspec

from .client import Client
from .pacer import Pacer
from .plan import Plan
from .tally import Slice
from .template import Template
from .wire import tls_of

READY: Final = b"ready\n"
HOPELESS: Final = 10
"""As many failures without a success end a run: all the others would fail as well."""
HANDSHAKES: Final = 256
"""Connections that a worker opens at a time."""
ANSWER_SECONDS: Final = 3.0
"""What calls that are under way at the end get, to be answered."""
GOODBYE_SECONDS: Final = 3.0
REMEMBERED_IDS: Final = 400_000
"""Of all subscriptions of a run together, at some 130 bytes each."""
WINDOW_MAX: Final = 1_024
WAITING_MAX: Final = 10_000
"""Calls of an open loop under way or waiting for a socket, in one worker."""


class Worker:
    """The clients of one process. A `client.Crew`."""

    def __init__(self, plan: Plan, index: int) -> None:
        self.plan = plan
        self.tally: Slice = Slice()
        self.tls: SSLContext | None = tls_of(plan)
        self.window: int = max(16, min(WINDOW_MAX, REMEMBERED_IDS // max(plan.open_calls, WAITING_MAX // 20)))
        self.is_over: bool = False
        self.open_calls = 0
        self._index = index
        self._clients = [Client(self, number) for number in range(index, plan.sockets, plan.workers)]
        self._turns = cycle(self._clients)
        self._waiting: deque[int] = deque()
        self._input = None if plan.input is None else Template(plan.input)
        self._made = 0
        self._ended = 0
        self._failures = 0
        self._has_worked = False
        self._over = asyncio.Event()
        self._idle = asyncio.Event()
        self._connecting = asyncio.Semaphore(HANDSHAKES)
        self._began = 0
        self._cpu = 0.0
        self._sliced = 0.0

    async def run(self) -> None:
        """Run to the end of the plan, or until `stop`."""
        self._began = time.monotonic_ns()
        self._cpu, self._sliced = time.process_time(), time.monotonic()
        background = [asyncio.create_task(self._open()), asyncio.create_task(self._report())]
        if self.plan.drop_all_every is not None:
            background.append(asyncio.create_task(self._storm(self.plan.drop_all_every)))
        pacer = self._pace()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), self.plan.duration)
        self.is_over = True
        if pacer is not None:
            pacer.stop()
        await self._finish(background)

    def stop(self) -> None:
        """End it now."""
        self.is_over = True
        self._over.set()

    def input(self, client: Client, call: int) -> str | None:
        number = self._made * self.plan.workers + self._index
        self._made += 1
        if self._input is None:
            return None
        values: dict[str, int | str] = {"socket": client.number, "call": call, "n": number}
        values["run"] = self.plan.run
        return self._input.fill(values, client.setup)

    def fail(self, code: str, message: str) -> None:
        self.tally.fail(code, message)
        self._failures += 1
        if self._failures >= HOPELESS and not (self._has_worked or self.tally.worked):
            self.stop()

    def joined(self) -> None:
        while self._waiting and (client := self._next_ready()) is not None:
            client.start(self._waiting.popleft())

    def ended(self) -> None:
        self._ended += 1
        if self.is_over and self.open_calls == 0:
            self._idle.set()
        if self.plan.rate is None and self._ended >= len(self._clients) * self.plan.calls:
            self.stop()

    async def _open(self) -> None:
        """Open the sockets, each at its place in the ramp."""
        spacing = self.plan.ramp_seconds / self.plan.sockets
        begin = time.monotonic()
        async with asyncio.TaskGroup() as clients:
            for client in self._clients:
                wait = begin + client.number * spacing - time.monotonic()
                if wait > 0:
                    await asyncio.sleep(wait)
                clients.create_task(client.run())

    async def _storm(self, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            for client in self._clients:
                client.cut()

    def _pace(self) -> Pacer | None:
        rate = self.plan.rate
        if rate is None:
            return None
        loop = asyncio.get_running_loop()
        period = 1e9 / rate
        pacer = Pacer(loop, self._due, self._began + int(self._index * period), period * self.plan.workers)
        pacer.start()
        return pacer

    def _due(self, due: int) -> None:
        """Make a call of an open loop; its latency counts from when it was due, not from when it is sent."""
        if self.is_over:
            return
        self.tally.record("lateness", time.monotonic_ns() - due)
        client = self._next_ready()
        if len(self._waiting) + self.open_calls >= WAITING_MAX:
            self.fail("NOT_SENT", f"{WAITING_MAX:,} calls were under way; the server does not keep up")
        elif client is None:
            self._waiting.append(due)
        else:
            client.start(due)

    def _next_ready(self) -> Client | None:
        return next((client for client in islice(self._turns, len(self._clients)) if client.is_ready), None)

    async def _report(self) -> None:
        second = 0
        while True:
            second += 1
            await asyncio.sleep(max(0.0, self._began / 1e9 + second - time.monotonic()))
            self._write(second - 1, self._open_sockets())

    def _write(self, second: int, open_sockets: int) -> None:
        tally, self.tally = self.tally, Slice()
        self._has_worked = self._has_worked or tally.worked > 0
        cpu, now = time.process_time(), time.monotonic()
        tally.second = second
        tally.cpu, self._cpu = cpu - self._cpu, cpu
        tally.seconds, self._sliced = now - self._sliced, now
        tally.open_sockets = open_sockets
        tally.open_calls = self.open_calls
        write(msgspec.json.encode(tally) + b"\n")

    async def _finish(self, background: list[asyncio.Task[None]]) -> None:
        """Wait for answers, write the last slice, and say goodbye, which is not measured."""
        if self.plan.kind != "subscription":
            if self.open_calls:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._idle.wait(), ANSWER_SECONDS)
            self.tally.unanswered += self.open_calls + len(self._waiting)
        second = int((time.monotonic_ns() - self._began) / 1e9)
        self._write(min(second, int(self.plan.duration)), self._open_sockets())
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        wires = [wire for client in self._clients if (wire := client.close()) is not None]
        if wires:
            await asyncio.wait([wire.gone for wire in wires], timeout=GOODBYE_SECONDS)
        write(msgspec.json.encode(Slice(second=second, over=True)) + b"\n")

    def _open_sockets(self) -> int:
        return sum(client.is_open for client in self._clients)


def write(line: bytes) -> None:
    """Tell the parent."""
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


async def work() -> None:
    """Take orders from stdin until it ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=16 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    index, _, plan = (await reader.readline()).partition(b" ")
    worker = Worker(msgspec.json.decode(plan, type=Plan), int(index))
    write(READY)
    if not await reader.readline():
        return
    ended = asyncio.create_task(_stop_at_end(reader, worker))
    await worker.run()
    ended.cancel()


async def _stop_at_end(reader: asyncio.StreamReader, worker: Worker) -> None:
    await reader.read()
    worker.stop()


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop where it is installed."""
    try:
        import uvloop
    except ModuleNotFoundError:
        asyncio.run(main)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main)


if __name__ == "__main__":
    # Ctrl-C reaches all processes of a terminal, and the parent says when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(BrokenPipeError):
        run(work())
