"""Whether memory stays flat over many turns and many connections: `python -m tests.benchmarks.memory`.

The server is warm when it has worked for twice as long as it keeps what has ended; from then on its resident
memory is printed in percent of that.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import websockets

from tests.benchmarks.durable import Socket, long_answer, sockets
from tests.benchmarks.server import Measured, measured

TURNS: Final = 10_000
CYCLES: Final = 20_000
AT_ONCE: Final = 20
STEPS: Final = 10

RETENTION: Final = 5
"""Seconds that the log keeps events, in its table and in memory, after the end of a turn."""


async def turns(server: Measured, count: int) -> None:
    """Answer so many messages, each in a conversation of its own."""
    server.chat.upstream.always(long_answer(30))
    async with AsyncExitStack() as stack:
        clients = await sockets(server, stack, AT_ONCE)

        async def work(client: Socket, share: int) -> None:
            for _ in range(share):
                conversation = await client.new_conversation()
                events = await client.events({"conversationId": conversation, "message": "hello"})
                assert events[-1][1]["status"] == "ok"

        await asyncio.gather(*(work(client, count // AT_ONCE) for client in clients))


async def connections(server: Measured, count: int) -> None:
    """Open so many connections, subscribe on each, and cut it."""
    async with websockets.connect(server.url, compression=None) as connection:
        conversation = await Socket(connection).new_conversation()

    async def work(share: int) -> None:
        for _ in range(share):
            connection = await websockets.connect(server.url, compression=None, open_timeout=60)
            socket = Socket(connection)
            await socket.send("subscription", "conversations.watch", {"conversationId": conversation})
            assert (await socket.receive()).type == "started"
            connection.transport.abort()

    await asyncio.gather(*(work(count // AT_ONCE) for _ in range(AT_ONCE)))


async def watch(name: str, work: Callable[[Measured, int], Awaitable[None]], total: int) -> None:
    """Do the work in steps, and print the memory after each."""
    step = max(1, total // STEPS)
    with tempfile.TemporaryDirectory() as folder:
        settings = {"TIDEWIRE_LOG_LEVEL": "error", "TIDEWIRE_LOG_RETENTION": str(RETENTION)}
        async with measured(Path(folder), **settings) as server:
            before, warm_at = 0, time.monotonic() + 2 * RETENTION
            while time.monotonic() < warm_at:
                await work(server, step)
                server.chat.upstream.requests.clear()
                before += step
            warm = server.rss
            print(f"{total:,} {name}: {warm:.1f} MiB after {before:,} others;", end="", flush=True)
            for _ in range(STEPS):
                await work(server, step)
                server.chat.upstream.requests.clear()
                print(f" {100 * server.rss / warm:.1f}", end="", flush=True)
            print(" %")


async def main() -> None:
    """Watch both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--connections", type=int, default=CYCLES)
    sizes = parser.parse_args()
    await watch("turns", turns, sizes.turns)
    await watch("connections that are cut", connections, sizes.connections)


if __name__ == "__main__":
    asyncio.run(main())
