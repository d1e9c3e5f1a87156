"""One conversation with many watchers, calls of the library, and sockets that wait."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from .load import STREAM, Socket, Tally, connect, message
from .process import Running
from .relay import AT_ONCE, PATIENCE, Window, end, new_conversation, window
from .upstream import Upstream

DELIVERIES: Final = 5000
"""A second, of one conversation to all its watchers: a rate that every peer can hold."""

WARM: Final = 0.3
"""Seconds before anything is measured."""


async def fan_out(running: Running, upstream: Upstream, watchers: int, seconds: float) -> Window:
    """One answer, read by its asker and by so many watchers; fewer watchers get more tokens a second."""
    async with _sockets(running, 1) as (_, [asker]):
        conversation = await new_conversation(asker, running)
        watch = {"conversationId": conversation}
        async with _sockets(running, watchers, "subscription", "conversations.watch", watch) as (tally, _):
            told = {"conversationId": conversation, "message": "Tell all of us a long story."}
            await asker.call("subscription", STREAM, told, b'"started"')
            await upstream.opened(1)
            upstream.pace(DELIVERIES / watchers)
            await asyncio.sleep(WARM)
            try:
                return await window(running, upstream, tally, seconds)
            finally:
                await end(running, upstream, [])


async def count(running: Running, upstream: Upstream, seconds: float) -> Window:
    """One subscription that gives numbers as fast as it can."""
    async with _sockets(running, 1, "subscription", "count") as (tally, _):
        await asyncio.sleep(WARM)
        return await window(running, upstream, tally, seconds, ages=False)


async def queries(running: Running, upstream: Upstream, sockets: int, seconds: float) -> Window:
    """On each socket one query after the other."""
    params = {"path": "double", "input": {"number": 21}}
    query = message({"id": 1, "method": "query", "params": params})

    def again(socket: Socket) -> Callable[[], None]:
        return lambda: socket.write(query)

    async with _sockets(running, sockets) as (tally, opened):
        for socket in opened:
            socket.answered = again(socket)
            socket.answered()
        await asyncio.sleep(WARM)
        return await window(running, upstream, tally, seconds, ages=False)


async def idle(running: Running, sockets: int) -> float:
    """KiB that one more socket costs which watches a conversation where nothing happens."""
    async with _sockets(running, 1) as (_, [socket]):
        watch = {"conversationId": await new_conversation(socket, running)}
    async with _sockets(running, 100, "subscription", "conversations.watch", watch):
        await running.quiet()
        before = running.memory
        async with _sockets(running, sockets, "subscription", "conversations.watch", watch):
            await running.quiet()
            return (running.memory - before) / sockets / 1024


@asynccontextmanager
async def _sockets(
    running: Running, number: int, method: str = "", path: str = "", input: Any = None
) -> AsyncGenerator[tuple[Tally, Sequence[Socket]]]:
    """Open connections, each with one subscription if there is a path."""
    tally = Tally()
    opened: list[Socket] = []
    limit = asyncio.Semaphore(AT_ONCE)

    async def open_one() -> None:
        async with limit:
            socket = await connect(running.url, tally)
            opened.append(socket)
            if path:
                await socket.call(method, path, input, b'"started"')

    try:
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            for _ in range(number):
                group.create_task(open_one())
        yield tally, opened
    finally:
        for socket in opened:
            socket.close()
        await running.quiet()
        gc.collect()
