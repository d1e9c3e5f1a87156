"""A database that fails: the client is told, and the server goes on."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.tidewire.chat.asking import new, refusal, send
from tests.tidewire.chat.conftest import Connect
from tests.tidewire.chat.scripted import WAIT_SECONDS, ScriptedProvider
from tidewire.chat.providers import Text
from tidewire.chat.recovery import close_turn
from tidewire.chat.server import ChatServer
from tidewire.chat.store import StoreError
from tidewire.testing import CallError, Client

FAILURES = [
    ("conversations", "create", "conversations.create", {}),
    ("conversations", "page", "conversations.list", {}),
    ("conversations", "get", "conversations.get", {"conversationId": "x"}),
    ("messages", "page", "conversations.get", {}),
    ("conversations", "rename", "conversations.rename", {"title": "T"}),
    ("conversations", "delete", "conversations.delete", {}),
    ("conversations", "get", "conversations.stop", {"conversationId": "x"}),
    ("messages", "begin_turn", "conversations.streamMessage", {"message": "Hi"}),
    (
        "messages",
        "turn_sent_as",
        "conversations.streamMessage",
        {"message": "Hi", "clientMessageId": "1", "after": "0123abcd.1"},
    ),
    ("messages", "history", "conversations.streamMessage", {"message": "Hi", "after": "0123abcd.1"}),
]


@pytest.mark.parametrize(
    ("part", "method", "path", "input"), FAILURES, ids=[f"{path}-{method}" for _, method, path, _ in FAILURES]
)
async def test_a_database_that_fails_is_a_typed_error_and_the_server_lives(
    client: Client,
    chat: ChatServer,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    method: str,
    path: str,
    input: dict[str, Any],
) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise StoreError("The database is busy or unavailable.")

    conversation = await new(client)
    named = {} if path.endswith((".create", ".list")) else {"conversationId": conversation}
    with monkeypatch.context() as broken:
        broken.setattr(getattr(chat.store, part), method, fail)
        error = await refusal(client, path, {**named, **input})
    # By a 5xx code a subscription over HTTP would be repeated by itself, and the message sent again.
    code = "TIMEOUT" if path.endswith(".streamMessage") else "SERVICE_UNAVAILABLE"
    assert (error.code, str(error)) == (code, "The database is busy or unavailable.")
    assert await send(client, conversation)


async def test_get_is_a_typed_error_while_another_server_has_taken_a_turns_place(
    client: Client, chat: ChatServer, scripted: ScriptedProvider
) -> None:
    gate = asyncio.Event()
    scripted.script([Text("one "), gate, Text("two "), asyncio.Event()])
    conversation = await new(client)
    input = {"conversationId": conversation, "message": "Count"}
    async with (
        client.subscribe("conversations.streamMessage", input) as events,
        asyncio.timeout(WAIT_SECONDS),
    ):
        while (await anext(events)).data["type"] != "text_delta":
            pass
        turn = chat.turns.active(conversation)
        assert turn is not None
        await close_turn(chat.store, chat.store.events, conversation, turn.id, max_history_messages=20)
        scripted.waiting.clear()
        gate.set()
        await scripted.waiting.wait()
        error = await refusal(client, "conversations.get", {"conversationId": conversation})
    assert (error.code, str(error)) == (
        "SERVICE_UNAVAILABLE",
        "The conversation cannot be saved at the moment.",
    )


async def test_a_turn_of_which_nobody_could_tell_whether_it_is_stored_comes_to_its_end(
    client: Client, chat: ChatServer, scripted: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = chat.store.messages.begin_turn

    async def begins(*arguments: Any) -> None:
        await begin(*arguments)
        raise StoreError("The database is busy or unavailable.")

    async def fail(*_: Any) -> None:
        raise StoreError("The database is busy or unavailable.")

    conversation = await new(client)
    input = {"conversationId": conversation, "message": "Hi", "clientMessageId": "1"}
    with monkeypatch.context() as broken:
        broken.setattr(chat.store.messages, "begin_turn", begins)
        broken.setattr(chat.store.messages, "turn", fail)
        assert (await refusal(client, "conversations.streamMessage", input)).code == "TIMEOUT"
    state = await client.query("conversations.get", {"conversationId": conversation})
    watching = client.subscribe(
        "conversations.watch", {"conversationId": conversation}, last_event_id=state["upTo"]
    )
    async with watching as watched, asyncio.timeout(WAIT_SECONDS):
        events = await send(client, conversation, "Hi", clientMessageId="1")
        assert [(await anext(watched)).data for _ in events] == events
    assert [event["type"] for event in events] == ["start", "error", "complete"]
    state = await client.query("conversations.get", {"conversationId": conversation})
    assert [message["status"] for message in state["messages"]] == ["ok", "interrupted"]
    assert scripted.prompts == []
    assert await send(client, conversation, "Next")


async def test_a_turn_that_cannot_be_replayed_fails_on_its_own_call(
    connect: Connect, chat: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise StoreError("The database is busy or unavailable.")

    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(connect())
        conversation = await new(client)
        await send(client, conversation, clientMessageId="1")
        await chat.turns.forget(conversation)
        monkeypatch.setattr(chat.store.messages, "turn", fail)
        with pytest.raises(CallError) as caught:
            await send(client, conversation, clientMessageId="1")
        assert caught.value.code == "TIMEOUT"
