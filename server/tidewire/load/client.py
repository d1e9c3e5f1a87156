"""One socket of the load, with its calls, for as long as the run lasts."""

import asyncio
import random
import ssl
import time
from typing import Any, Final, Protocol

import msgspec

from . import messages
from .call import Call
from .plan import Plan
from .tally import Slice
from .template import TemplateError
from .wire import ConnectError, Wire, connect

# Those of the stock client: at once, and then 2, 4, … up to 30 seconds.
RETRY_SECONDS: Final = 1.0
RETRY_SECONDS_MAX: Final = 30.0


class Crew(Protocol):
    """What the clients of a worker share."""

    plan: Plan
    tally: Slice
    tls: ssl.SSLContext | None
    window: int
    is_over: bool
    open_calls: int

    def input(self, client: "Client", call: int) -> str | None:
        """Fill in the input of the next call.

        Raises:
            TemplateError: the answer to the set-up lacks what it asks for.
        """

    def fail(self, code: str, message: str) -> None:
        """Count a failure."""

    def joined(self) -> None:
        """Hear that a client takes calls now."""

    def ended(self) -> None:
        """Hear that a call has ended that no other follows."""


class Client:
    """Connects, calls, and after a lost connection goes on where it was, as stock clients do."""

    def __init__(self, crew: Crew, number: int) -> None:
        self._crew = crew
        self.number = number
        self.setup: Any = None
        """The answer to the set-up call."""
        self.calls: dict[int, Call] = {}
        self._last_number = 0
        self._wire: Wire | None = None
        self._attempts = 0
        self._connections = 0
        self._is_set_up = crew.plan.setup is None

    @property
    def is_open(self) -> bool:
        """Whether it is connected."""
        return self._wire is not None

    @property
    def is_ready(self) -> bool:
        """Whether it takes calls of an open loop now."""
        return self._wire is not None and self._is_set_up and not self._wire.paused

    async def run(self) -> None:
        """Keep a connection until the run is over or this is cancelled."""
        crew = self._crew
        while not crew.is_over:
            began = time.monotonic_ns()
            try:
                wire = await connect(crew.plan, self, crew.tls)
            except ConnectError as error:
                crew.fail(error.code, str(error))
            else:
                if not wire.gone.done():
                    crew.tally.record("connect", time.monotonic_ns() - began)
                    self._open(wire)
                    await wire.gone
            await self._pause()

    def cut(self) -> None:
        """Break the connection off, if there is one."""
        wire = self._wire
        if wire is not None:
            self._attempts = 0
            self._leave()
            wire.cut()

    def close(self) -> Wire | None:
        """Say goodbye, if there is somebody to say it to."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()
        return wire

    def start(self, due: int, slot: int = 0) -> None:
        """Make a call that was due at that time."""
        crew = self._crew
        try:
            text = crew.input(self, slot)
        except TemplateError as error:
            crew.fail("BAD_INPUT", f"--input {error}")
            crew.ended()
            return
        crew.tally.sent += 1
        window = crew.window if crew.plan.kind == "subscription" else 0
        self._send(Call(self._number(), text, due, window=window))

    def received(self, data: list[bytes], size: int, now: int) -> None:
        self._crew.tally.bytes += size
        calls = self.calls
        for message in data:
            try:
                answer = messages.decode_answer(message)
            except msgspec.MsgspecError:
                self._take_other(message)
                continue
            call = calls.get(answer.id) if type(answer.id) is int else None
            if call is None:
                self._take_unasked(answer)
            elif answer.result is not None:
                self._take_result(call, answer.result, message, now)
            elif answer.error is not msgspec.UNSET:
                self._remove(call)
                self._crew.fail(*messages.read_error(answer.error))
                if not call.is_setup:
                    self._follow(call, now)

    def lost(self, code: str, message: str) -> None:
        self._crew.fail(code, message)
        self._leave()

    def _open(self, wire: Wire) -> None:
        crew = self._crew
        self._wire = wire
        crew.tally.connections += 1
        crew.tally.reconnections += self._connections > 0
        self._connections += 1
        now = time.monotonic_ns()
        if not self._is_set_up:
            setup = crew.plan.setup
            self._send(Call(self._number(), setup.input if setup else None, now, window=0, is_setup=True))
            return
        if self.calls:
            wire.send(*(call.request(crew.plan) for call in self.calls.values()))
        crew.joined()
        if self._connections == 1 or crew.plan.repeats:
            self._fill(now)

    def _fill(self, now: int) -> None:
        """Make the calls of a closed loop that are not under way."""
        if self._crew.plan.rate is None:
            for slot in range(len(self.calls), self._crew.plan.calls):
                self.start(now, slot)

    def _take_result(self, call: Call, result: messages.Result, message: bytes, now: int) -> None:
        tally = self._crew.tally
        self._attempts = 0
        if call.sequence is not None:
            if result.type == "data":
                call.take(result.id, now, tally)
            elif result.type == "started":
                call.begin(now, tally)
            elif result.type == "stopped":
                tally.completed += 1
                self._remove(call)
                self._follow(call, now)
        elif result.type == "data":
            self._remove(call)
            if call.is_setup:
                self.setup = messages.read_data(message, self._crew.plan.transformer)
                self._is_set_up = True
                self._crew.joined()
                self._fill(now)
            else:
                tally.answered += 1
                tally.record("round_trip", now - call.due)
                self._follow(call, now)

    def _take_unasked(self, answer: messages.Answer) -> None:
        if answer.id is None and answer.method == "reconnect":
            wire = self._wire
            self._leave()
            if wire is not None:
                wire.close()
        elif answer.id is None and answer.error is not msgspec.UNSET:
            self._crew.fail(*messages.read_error(answer.error))

    def _take_other(self, message: bytes) -> None:
        if message == messages.PING:
            if self._wire is not None and not self._wire.paused:
                self._wire.send(messages.PONG)
        elif message != messages.PONG:
            said = message[:60].decode(errors="replace")
            self._crew.fail("NOT_TRPC", f"it sent what no tRPC server sends: {said}")

    def _follow(self, call: Call, now: int) -> None:
        if self._crew.plan.repeats and not self._crew.is_over:
            self.start(now, call.slot)
        else:
            self._crew.ended()

    def _leave(self) -> None:
        """Give the connection up; subscriptions are kept, for they go on with the next one."""
        self._wire = None
        now = time.monotonic_ns()
        for call in list(self.calls.values()):
            if call.sequence is not None:
                call.cut_at = call.cut_at or now
            else:
                self._remove(call)
                self._crew.fail("CALL_LOST", "the connection was lost while a call was under way")
                if not (call.is_setup or self._crew.plan.repeats):
                    self._crew.ended()

    def _remove(self, call: Call) -> None:
        del self.calls[call.number]
        self._crew.open_calls -= 1

    def _send(self, call: Call) -> None:
        self._crew.open_calls += 1
        self.calls[call.number] = call
        if self._wire is not None:
            self._wire.send(call.request(self._crew.plan))

    def _number(self) -> int:
        self._last_number += 1
        return self._last_number

    async def _pause(self) -> None:
        attempts, self._attempts = self._attempts, self._attempts + 1
        if attempts and not self._crew.is_over:
            seconds = min(RETRY_SECONDS * 2 ** min(attempts, 10), RETRY_SECONDS_MAX)
            await asyncio.sleep(seconds * random.uniform(0.8, 1.2))
