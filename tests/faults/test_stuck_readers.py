"""A reader that takes nothing is cut off, and goes on where it was when it is back."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.conformance.chat import Chat, RawSocket, running_chat
from tests.conformance.client import CLIENT_VERSIONS, WAIT_SECONDS, ClientVersion, StockClient
from tests.faults.cut_turn import STREAM_MESSAGE
from tests.faults.evidence import read_through
from tests.faults.long_turn import LongTurn
from tests.faults.proxy import Proxy
from tests.faults.test_cuts import Link

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("node_modules")]

APP: Final = "tests.faults.impatient_chat:app"
CUT_OFF: Final = ("Cutting ", "Cut off ")
"""One of these is in what the server logs when it does that."""

FILLED: Final = 20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chat(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chat]:
    async with running_chat(tmp_path_factory.mktemp("chat"), APP) as running:
        yield running


@pytest.mark.parametrize(
    ("version", "link"), [*((version, "ws") for version in CLIENT_VERSIONS), ("11.25", "sse")]
)
async def test_a_stuck_reader_is_cut_off_and_goes_on_when_it_is_back(
    chat: Chat, proxy: Proxy, direct: RawSocket, topic: str, version: ClientVersion, link: Link
) -> None:
    turn = LongTurn(topic, filled=FILLED)
    await turn.plan(chat, direct)
    before = cut_offs(chat)
    async with (
        StockClient(proxy.url, version=version, link=link) as client,
        client.subscribe(STREAM_MESSAGE, turn.input) as events,
    ):
        seen: list[Any] = [await anext(events), await anext(events)]
        proxy.stall()
        turn.gate.set()
        await cut_off(chat, direct, before + 1)
        proxy.resume()
        seen += await read_through(events)
    turn.check(chat, seen)
    assert proxy.connections > 1


def cut_offs(chat: Chat) -> int:
    """How many readers the server has cut off."""
    return sum(any(words in line for words in CUT_OFF) for line in chat.server.log)


async def cut_off(chat: Chat, socket: RawSocket, times: int) -> None:
    """Wait until it says that it has; meanwhile it serves others."""
    async with asyncio.timeout(WAIT_SECONDS):
        while cut_offs(chat) < times:
            await socket.ask("query", "tools.list", None)
