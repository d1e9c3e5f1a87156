"""A connection that is lost between the sending of a message and its first event: it is sent once."""

import asyncio
from collections.abc import Mapping

import pytest

from tests.conformance.chat import Chat, RawSocket
from tests.conformance.client import CLIENT_VERSIONS, ClientVersion, StockClient
from tests.faults.cut_turn import STREAM_MESSAGE
from tests.faults.evidence import check_turn, read_through
from tests.faults.losses import LOSSES, Loss
from tests.faults.proxy import Proxy
from tests.faults.test_cuts import Link
from tests.upstream import text_answer

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("node_modules")]


async def check_loss(
    chat: Chat,
    direct: RawSocket,
    version: ClientVersion,
    link: Link,
    loss: Loss,
    message: str,
    identity: Mapping[str, str],
) -> None:
    """Lose a message in this way; its answer goes on when the client has got the first event."""
    gate = asyncio.Event()
    chat.playbook.script(message, text_answer("one two").hold(1, gate))
    conversation = await direct.new_conversation()
    input = {"conversationId": conversation, "message": message, **identity}
    async with Proxy(chat.url) as proxy, StockClient(proxy.url, version=version, link=link) as client:
        if link == "ws":
            await client.until("open")
        loss.prepare(proxy)
        async with client.subscribe(STREAM_MESSAGE, input) as events:
            await loss.happen(proxy, chat, message)
            seen = await read_through(events, gate.set)
    answer = check_turn(chat, conversation, seen)
    assert (answer["status"], answer["content"]) == ("ok", "one two")
    assert len(chat.playbook.requests(message)) == 1
    assert [row["role"] for row in chat.rows(conversation)] == ["user", "assistant"]
    assert proxy.connections > 1


@pytest.mark.parametrize("link", ["ws", "sse"])
@pytest.mark.parametrize("version", CLIENT_VERSIONS)
async def test_a_message_is_sent_once_however_it_is_lost(
    chat: Chat, direct: RawSocket, topic: str, version: ClientVersion, link: Link
) -> None:
    async with asyncio.TaskGroup() as group:
        for loss in LOSSES:
            for identity in ({}, {"clientMessageId": "mine"}):
                message = f"{topic} {type(loss).__name__} {len(identity)}"
                group.create_task(check_loss(chat, direct, version, link, loss, message, identity))
