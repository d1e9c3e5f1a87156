"""Answers on their way from the upstream to one client each."""

import asyncio
import gc
import math
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import msgspec

from .load import MARK, STREAM, Socket, Tally, connect
from .process import Running
from .upstream import AT_ONCE as SHORT
from .upstream import Upstream

RATE: Final = 30.0
"""Tokens a second of each stream."""

SETTLE: Final = 0.5
"""Seconds of streaming before anything is measured."""

PATIENCE: Final = 60.0
"""Seconds that all streams may take to open."""

FIRST_RATE: Final = 20
"""Messages a second whose first token is waited for."""

LATE: Final = 3.0
"""Seconds after which a first token is no longer waited for; it counts as having taken so long."""

AT_ONCE: Final = 50
"""Connections that are opened at a time."""


@dataclass(frozen=True)
class Window:
    """What went through a server in a stretch of time."""

    seconds: float
    cpu: float
    """Seconds of the server's processor time."""
    sent: int
    tokens: int
    frames: int
    ages: Sequence[int]
    """Of tokens on arrival, in microseconds, sorted."""
    load: float
    """Share of its core that clients and upstream used."""

    @property
    def delivered(self) -> float:
        """Of what the upstream sent meanwhile; what waited before can make it more than one."""
        return self.tokens / self.sent if self.sent else 0.0

    @property
    def cpu_per_token(self) -> float:
        """Microseconds."""
        return 1e6 * self.cpu / self.tokens if self.tokens else math.nan

    def age(self, percent: float) -> float:
        """A percentile of the tokens' ages in milliseconds."""
        return percentile(self.ages, percent) / 1000


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Of values in order; not a number if there are none."""
    if not ordered:
        return math.nan
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class _Created(msgspec.Struct):
    class _Result(msgspec.Struct):
        class _Data(msgspec.Struct):
            id: str

        data: _Data

    result: _Result


async def new_conversation(socket: Socket, running: Running) -> str:
    """Where a message can be sent to; floors know no conversations."""
    if running.peer.floor:
        return "none"
    frames = await socket.call("mutation", "conversations.create", {}, b'"data"')
    return msgspec.json.decode(frames[frames.index(b"{") :], type=_Created).result.data.id


@asynccontextmanager
async def streams(
    running: Running, upstream: Upstream, count: int
) -> AsyncGenerator[tuple[Tally, list[Socket]]]:
    """Open streams that are answered by the upstream, and wait for its pace; then end them."""
    tally = Tally()
    sockets: list[Socket] = []
    limit = asyncio.Semaphore(AT_ONCE)

    async def open_one() -> None:
        async with limit:
            socket = await connect(running.url, tally)
            sockets.append(socket)
            conversation = await new_conversation(socket, running)
            input = {"conversationId": conversation, "message": "Tell me a long story."}
            await socket.call("subscription", STREAM, input, b'"started"')

    try:
        async with asyncio.timeout(PATIENCE):
            async with asyncio.TaskGroup() as group:
                for _ in range(count):
                    group.create_task(open_one())
            await upstream.opened(count)
        await running.quiet(1.0)
        yield tally, sockets
    finally:
        await end(running, upstream, sockets)


async def end(running: Running, upstream: Upstream, sockets: Sequence[Socket]) -> None:
    """Let answers end and connections close, and the server come to rest."""
    upstream.finish()
    if not await running.quiet(1.0):
        upstream.cut()
    for socket in sockets:
        socket.close()
    await running.quiet()
    gc.collect()


async def window(
    running: Running, upstream: Upstream, tally: Tally, seconds: float, *, ages: bool = True
) -> Window:
    """Measure what goes on for so long."""
    gc.disable()
    tally.ages = [] if ages else None
    before = (time.monotonic(), running.cpu, time.process_time(), upstream.sent, tally.tokens, tally.frames)
    await asyncio.sleep(seconds)
    after = (time.monotonic(), running.cpu, time.process_time(), upstream.sent, tally.tokens, tally.frames)
    found, tally.ages = tally.ages, None
    gc.enable()
    wall, cpu, load, sent, tokens, frames = (b - a for a, b in zip(before, after, strict=True))
    return Window(wall, cpu, int(sent), int(tokens), int(frames), sorted(found or ()), load / wall)


async def paced(running: Running, upstream: Upstream, count: int, seconds: float) -> Window:
    """So many streams at the usual pace."""
    async with streams(running, upstream, count) as (tally, _):
        upstream.pace(RATE)
        await asyncio.sleep(SETTLE)
        return await window(running, upstream, tally, seconds)


async def first_tokens(running: Running, upstream: Upstream, count: int, seconds: float) -> Sequence[float]:
    """Milliseconds from a message to its first token, beside so many streams; sorted.

    The upstream answers at once, so this is what the server adds.
    """
    async with streams(running, upstream, count) as (tally, sockets):
        askers = [await connect(running.url, tally) for _ in range(int(seconds * FIRST_RATE))]
        sockets += askers
        conversations = [await new_conversation(asker, running) for asker in askers]
        upstream.pace(RATE)
        await asyncio.sleep(SETTLE)

        async def ask(asker: Socket, conversation: str) -> float:
            began = time.monotonic()
            input = {"conversationId": conversation, "message": SHORT}
            with suppress(TimeoutError):
                async with asyncio.timeout(LATE):
                    await asker.call("subscription", STREAM, input, MARK)
            return 1000 * (time.monotonic() - began)

        async with asyncio.TaskGroup() as group:
            asking: list[asyncio.Task[float]] = []
            for asker, conversation in zip(askers, conversations, strict=True):
                asking.append(group.create_task(ask(asker, conversation)))
                await asyncio.sleep(1 / FIRST_RATE)
        return sorted(task.result() for task in asking)


async def flat_out(running: Running, upstream: Upstream, count: int, seconds: float) -> Window:
    """So many streams, as fast as the server reads them."""
    async with streams(running, upstream, count) as (tally, _):
        upstream.flood()
        await asyncio.sleep(SETTLE)
        seen = await window(running, upstream, tally, seconds, ages=False)
        upstream.cut()
        return seen
