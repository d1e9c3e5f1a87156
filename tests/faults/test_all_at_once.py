"""Every connection of a server at once: they are cut and resume, or send the same message."""

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.conformance.chat import Chat, RawSocket
from tests.conformance.client import CLIENT_VERSIONS, StockClient, Subscription
from tests.faults.cut_turn import STREAM_MESSAGE
from tests.faults.evidence import Seen, check_turn, read_through
from tests.faults.proxy import Proxy
from tests.faults.sizes import SEEDS, SIZES
from tests.upstream import text_answer

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("node_modules")]

SENDS = 20

READERS = 5
"""Of each turn."""


@dataclass
class Reader:
    """A socket that follows a turn, and is cut after some of its events."""

    input: Mapping[str, Any]
    stays_for: int
    seen: list[Any] = field(default_factory=list)

    async def begin(self, socket: RawSocket) -> None:
        events = socket.events(await socket.call("subscription", STREAM_MESSAGE, self.input))
        while len(self.seen) < self.stays_for:
            self.seen.append(await anext(events))

    async def resume(self, url: str) -> None:
        last = self.seen[-1]["id"] if self.seen else None
        async with RawSocket(url) as socket:
            call = await socket.call("subscription", STREAM_MESSAGE, self.input, last_event_id=last)
            self.seen += await read_through(socket.events(call))


@asynccontextmanager
async def connected(url: str, count: int) -> AsyncGenerator[Sequence[RawSocket]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(RawSocket(url)) for _ in range(count)]


@pytest.mark.parametrize("seed", SEEDS)
async def test_all_sockets_of_a_server_are_cut_at_once_and_all_resume(
    chat: Chat, proxy: Proxy, direct: RawSocket, topic: str, seed: int
) -> None:
    luck = random.Random(seed)
    gate = asyncio.Event()
    messages = [f"{topic} {number}" for number in range(SIZES.sockets // READERS)]
    inputs: list[dict[str, str]] = []
    for message in messages:
        chat.playbook.script(message, text_answer("one two three four five").hold(4, gate))
        conversation = await direct.new_conversation()
        inputs.append({"conversationId": conversation, "message": message, "clientMessageId": "mine"})
    # What comes before the gate: the start, the title, and three words.
    readers = [Reader(input, luck.randint(0, 5)) for input in inputs for _ in range(READERS)]
    async with connected(proxy.url, len(readers)) as sockets:
        await asyncio.gather(*(map(Reader.begin, readers, sockets)))
        for message in messages:
            await chat.playbook.held(message)
        assert proxy.open_connections == len(readers)
        proxy.cut(reset=True)
        await proxy.idle()
    gate.set()
    await asyncio.gather(*(reader.resume(proxy.url) for reader in readers))
    for reader in readers:
        answer = check_turn(chat, reader.input["conversationId"], reader.seen)
        assert (answer["status"], answer["content"]) == ("ok", "one two three four five")
    for input in inputs:
        assert len(chat.playbook.requests(input["message"])) == 1
        assert len(chat.rows(input["conversationId"])) == 2


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("identity", [{}, {"clientMessageId": "mine"}], ids=["the text", "the id"])
async def test_a_message_that_is_sent_many_times_at_once_is_one_turn(
    chat: Chat, direct: RawSocket, topic: str, identity: dict[str, str], seed: int
) -> None:
    luck = random.Random(seed)
    gate = asyncio.Event()
    chat.playbook.script(topic, text_answer("one two three").hold(2, gate))
    input = {"conversationId": await direct.new_conversation(), "message": topic, **identity}

    async def send_stock(client: StockClient) -> Seen:
        async with client.subscribe(STREAM_MESSAGE, input) as events:
            return await _read_on(events, gate, everybody)

    async def send_raw(socket: RawSocket) -> Seen:
        call = await socket.call("subscription", STREAM_MESSAGE, input)
        return await _read_on(socket.events(call), gate, everybody)

    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(StockClient(chat.url, version=version, link=link))
            for version in CLIENT_VERSIONS
            for link in ("ws", "sse")
        ]
        sockets = await stack.enter_async_context(connected(chat.url, 4))
        everybody = asyncio.Barrier(SENDS)
        sends = [send_stock(luck.choice(clients)) for _ in range(SENDS // 2)]
        sends += [send_raw(luck.choice(sockets)) for _ in range(SENDS - len(sends))]
        luck.shuffle(sends)
        seen = await asyncio.gather(*sends)
    assert all(each == seen[0] for each in seen)
    check_turn(chat, input["conversationId"], seen[0])
    assert len(chat.playbook.requests(topic)) == 1
    assert len(chat.rows(input["conversationId"])) == 2


async def _read_on(
    events: Subscription | AsyncGenerator[Any], gate: asyncio.Event, all: asyncio.Barrier
) -> Seen:
    """Read to the end, which comes when all have read the first event."""
    first = await anext(events)
    await all.wait()
    gate.set()
    return [first, *await read_through(events)]
