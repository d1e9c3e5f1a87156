"""What durability costs, with the log on SQLite: `python -m tests.benchmarks.durable`.

The server runs on one core; the upstream and the clients on another. Figures are medians of rounds.
"""

import asyncio
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import msgspec
import websockets

from tests.benchmarks.server import Measured, measured
from tests.upstream import DONE, ROLE, Script, Send, chunk, stream, usage_chunk

ROUNDS: Final = 5
STREAM: Final = "conversations.streamMessage"


class _Result(msgspec.Struct):
    type: str
    data: Any = None


class _Frame(msgspec.Struct):
    id: int | None = None
    result: _Result | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Frame).decode
_encode = msgspec.json.encode


class Socket:
    """One connection, one call at a time."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self._connection = connection
        self._last = 0

    async def send(self, method: str, path: str, input: Any, last_event_id: str | None = None) -> None:
        self._last += 1
        params = {"path": path, "input": input}
        if last_event_id is not None:
            params["lastEventId"] = last_event_id
        await self._connection.send(_encode({"id": self._last, "method": method, "params": params}).decode())

    async def receive(self) -> _Result:
        frame = _decode(await self._connection.recv())
        assert frame.result is not None, frame
        return frame.result

    async def ask(self, method: str, path: str, input: Any) -> Any:
        await self.send(method, path, input)
        return (await self.receive()).data

    async def events(self, input: Any, last_event_id: str | None = None, count: int = 1 << 30) -> list[Any]:
        """Follow a turn to its end, or for so many events; each as `(id, data, seconds)`."""
        await self.send("subscription", STREAM, input, last_event_id)
        found: list[Any] = []
        while (result := await self.receive()).type != "stopped":
            if result.type == "data":
                found.append((result.data["id"], result.data["data"], time.monotonic()))
                if len(found) == count:
                    break
        return found

    async def new_conversation(self) -> str:
        return str((await self.ask("mutation", "conversations.create", {}))["id"])


async def sockets(server: Measured, stack: AsyncExitStack, count: int) -> list[Socket]:
    return [
        Socket(
            await stack.enter_async_context(
                websockets.connect(server.url, compression=None, max_size=None, open_timeout=60)
            )
        )
        for _ in range(count)
    ]


def long_answer(words: int) -> Script:
    """An answer of so many deltas, sent as fast as they are read."""
    body = b"".join(chunk({"content": f"word{number} "}).data for number in range(words))
    return stream(ROLE, Send(body), chunk({}, "stop"), usage_chunk(), DONE).split_into(1400)


async def throughput(server: Measured, turns: int = 100, words: int = 200) -> None:
    """Events of many turns at once, as fast as the server can."""
    server.chat.upstream.always(long_answer(words))
    rates: list[tuple[float, float]] = []
    async with AsyncExitStack() as stack:
        clients = await sockets(server, stack, turns)
        for round_number in range(ROUNDS):
            inputs = [
                {"conversationId": await client.new_conversation(), "message": f"round {round_number}"}
                for client in clients
            ]
            began, cpu = time.monotonic(), server.cpu
            seen = await asyncio.gather(
                *(client.events(input) for client, input in zip(clients, inputs, strict=True))
            )
            seconds, cpu = time.monotonic() - began, server.cpu - cpu
            deltas = sum("".join(e[1].get("content", "") for e in events).count("word") for events in seen)
            assert deltas == turns * words
            rates.append((deltas / seconds, deltas / cpu))
    by_wall, by_cpu = (statistics.median(column) for column in zip(*rates, strict=True))
    print(f"{turns} turns at once: {by_wall:,.0f} events/s, {by_cpu:,.0f} events per CPU second")


async def first_token(server: Measured, turns: int = 50) -> None:
    """What the server adds after it asked the upstream, one message after the other.

    What it does before that is in the time to first token of `python -m tests.benchmarks`.
    """
    sent: dict[str, float] = {}

    def answer(request: Any) -> Script:
        said = [each["content"] for each in request.json["messages"] if each["role"] == "user"][-1]
        sent[said] = time.monotonic()
        return stream(ROLE, chunk({"content": "first "}), chunk({}, "stop"), usage_chunk(), DONE)

    server.chat.upstream.always(answer)
    delays: list[float] = []
    async with AsyncExitStack() as stack:
        (client,) = await sockets(server, stack, 1)
        for number in range(turns):
            conversation, message = await client.new_conversation(), f"first token {number}"
            events = await client.events({"conversationId": conversation, "message": message})
            at = next(at for _, data, at in events if data["type"] == "text_delta")
            delays.append((at - sent[message]) * 1000)
    p99 = statistics.quantiles(delays, n=100)[98]
    print(f"first token after the request: p50 {statistics.median(delays):.2f} ms, p99 {p99:.2f} ms")


async def resume(server: Measured, missed: int = 500, rounds: int = 30) -> None:
    """How long a client waits that comes back after it missed so many events."""
    server.chat.upstream.always(long_answer(missed + 10))
    times: list[float] = []
    async with AsyncExitStack() as stack:
        (client,) = await sockets(server, stack, 1)
        input = {"conversationId": await client.new_conversation(), "message": "long", "clientMessageId": "1"}
        events = await client.events(input)
        after = next(id for id, data, _ in events if data["type"] == "text_delta")
        for _ in range(rounds):
            began = time.monotonic()
            again = await client.events(input, after)
            times.append((time.monotonic() - began) * 1000)
            assert again[-1][0] == events[-1][0]
    print(f"resume of {missed} missed events: p50 {statistics.median(times):.2f} ms")


async def idle(server: Measured, conversations: int = 10_000) -> None:
    """What conversations cost that nobody uses."""
    async with AsyncExitStack() as stack:
        (client,) = await sockets(server, stack, 1)
        for _ in range(200):
            await client.new_conversation()
        before = server.rss
        for _ in range(conversations):
            await client.new_conversation()
    print(f"{conversations:,} idle conversations: {server.rss - before:+.1f} MiB of {before:.1f} MiB")


async def main() -> None:
    """Measure everything, each on a server of its own."""
    for measure in (throughput, first_token, resume, idle):
        with tempfile.TemporaryDirectory() as folder:
            async with measured(Path(folder), TIDEWIRE_LOG_LEVEL="warning") as server:
                await measure(server)


if __name__ == "__main__":
    asyncio.run(main())
