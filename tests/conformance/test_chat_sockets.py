"""Sockets that drop, clients that die, servers that end: nobody else notices, and nothing is lost."""

import asyncio
import json
import os
import signal
import sqlite3
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.chat import (
    Chat,
    RawSocket,
    read,
    read_until,
    running_chat,
    stored,
    text_of,
    types_of,
)
from tests.conformance.client import WAIT_SECONDS, ClientVersion, StockClient, Subscription
from tests.processes import start_node
from tests.upstream import ROLE, Script, Stall, chunk, stream, text_answer, tool_answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "conversations.streamMessage"
SOCKETS = 200


async def new(client: StockClient) -> str:
    return str((await client.mutate("conversations.create", {}))["id"])


@asynccontextmanager
async def sent(
    client: StockClient, conversation: str, message: str, **more: Any
) -> AsyncGenerator[Subscription]:
    """Send a message, and follow its turn for the length of the block."""
    input = {"conversationId": conversation, "message": message, **more}
    async with client.subscribe(PATH, input) as events:
        yield events


async def disconnected(client: StockClient) -> None:
    """Cut the client's connection; what is sent now can reach it on the next one only."""
    await client.drop()
    await client.until("close")


async def ended(chat: Chat, conversation: str, message: str, message_id: str) -> list[Any]:
    """Wait for the end of a turn on a connection of its own; gives its events."""
    async with RawSocket(chat.url) as socket:
        input = {"conversationId": conversation, "message": message, "clientMessageId": message_id}
        call = await socket.call("subscription", PATH, input)
        return await read(socket.events(call))


def half(*words: str) -> Script:
    """An answer that begins, and never goes on."""
    return stream(ROLE, *(chunk({"content": word}) for word in words), Stall())


# ---------- connections that break


async def test_a_dropped_socket_does_not_hurt_others_and_its_turn_goes_on(chat: Chat, topic: str) -> None:
    gate = asyncio.Event()
    messages = [f"{topic} {name}" for name in ("dropped", "staying")]
    for message in messages:
        chat.playbook.script(message, text_answer("one two three").hold(2, gate))
    async with RawSocket(chat.url) as dropped, RawSocket(chat.url) as staying:
        conversations = [await socket.new_conversation() for socket in (dropped, staying)]
        following = []
        for socket, conversation, message in zip((dropped, staying), conversations, messages, strict=True):
            input = {"conversationId": conversation, "message": message, "clientMessageId": "mine"}
            following.append(socket.events(await socket.call("subscription", PATH, input)))
        seen = [await read_until(events, "text_delta") for events in following]
        await dropped.drop()
        gate.set()
        assert text_of([*seen[1], *await read(following[1])]) == "one two three"
    assert text_of(await ended(chat, conversations[0], messages[0], "mine")) == "one two three"
    for conversation, message in zip(conversations, messages, strict=True):
        _, answer = chat.rows(conversation)
        assert (answer["status"], answer["content"]) == ("ok", "one two three")
        assert len(chat.playbook.requests(message)) == 1


async def test_a_client_that_reconnects_loses_and_repeats_nothing(
    chat: Chat, client: StockClient, topic: str
) -> None:
    words = "one two three four five"
    gates = [asyncio.Event() for _ in range(3)]
    script = text_answer(words)
    for position, gate in reversed(list(enumerate(gates, 2))):
        script = script.hold(position, gate)
    chat.playbook.script(topic, script)
    conversation = await new(client)
    async with sent(client, conversation, topic) as events:
        seen: list[Any] = []
        for gate in gates:
            seen += await read_until(events, "text_delta")
            await disconnected(client)
            gate.set()
        seen += await read(events)
    assert types_of(seen) == ["start", "title", *["text_delta"] * 5, "usage", "complete"]
    _, answer = chat.rows(conversation)
    assert text_of(seen) == answer["content"] == words
    ids = [callback.data["id"] for callback in events.callbacks if callback.event == "data"]
    assert [int(each.partition(".")[2]) for each in ids] == list(range(1, len(seen) + 1))
    assert len(chat.playbook.requests(topic)) == 1


async def test_a_client_that_reconnects_while_a_tool_runs_gets_its_result(
    chat: Chat, client: StockClient, topic: str
) -> None:
    gate = asyncio.Event()
    call = tool_answer([("call_1", "calculate", '{"expression":"6*7"}')])
    chat.playbook.script(topic, call.hold(2, gate), text_answer("42."))
    conversation = await new(client)
    async with sent(client, conversation, topic) as events:
        seen = await read_until(events, "tool_call_start")
        await disconnected(client)
        gate.set()
        seen += await read(events)
    assert types_of(seen)[-4:] == ["tool_call_complete", "text_delta", "usage", "complete"]
    assert types_of(seen).count("tool_call_complete") == 1
    assert len(chat.playbook.requests(topic)) == 2


async def test_a_connection_lost_right_after_sending_is_one_message_all_the_same(
    chat: Chat, topic: str
) -> None:
    async with RawSocket(chat.url) as socket:
        conversation = await socket.new_conversation()
    for number in range(10):
        message = f"{topic} {number}"
        async with RawSocket(chat.url) as socket:
            input = {"conversationId": conversation, "message": message, "clientMessageId": message}
            await socket.call("subscription", PATH, input)
            await socket.drop()
        assert text_of(await ended(chat, conversation, message, message)) == f"You said {message}"
        assert len(chat.playbook.requests(message)) == 1
    assert [row["role"] for row in chat.rows(conversation)] == ["user", "assistant"] * 10


async def test_a_client_that_comes_back_after_the_end_gets_what_it_missed(
    chat: Chat, client: StockClient, topic: str
) -> None:
    gate = asyncio.Event()
    chat.playbook.script(topic, text_answer("one two three").hold(2, gate))
    conversation = await new(client)
    async with sent(client, conversation, topic, clientMessageId="mine") as events:
        seen = await read_until(events, "text_delta")
        await disconnected(client)
        gate.set()
        await ended(chat, conversation, topic, "mine")
        assert text_of([*seen, *await read(events)]) == "one two three"


@pytest.mark.parametrize("version", ["11.18", "11.25"])
async def test_a_client_killed_mid_turn_has_its_answer_stored(
    chat: Chat, node_modules: Path, topic: str, version: ClientVersion
) -> None:
    gate = asyncio.Event()
    chat.playbook.script(topic, text_answer("one two three").hold(2, gate))
    async with RawSocket(chat.url) as socket:
        conversation = await socket.new_conversation()
    address = chat.url.replace("http", "ws", 1)
    doomed = await start_node("clients/stream.mjs", "--url", address, "--version", version)
    assert doomed.stdin is not None
    assert doomed.stdout is not None
    input = {"conversationId": conversation, "message": topic, "clientMessageId": "mine"}
    command = {"op": "subscribe", "key": "1", "path": PATH, "input": input}
    doomed.stdin.write(json.dumps(command).encode() + b"\n")
    async with asyncio.timeout(WAIT_SECONDS):
        while b"text_delta" not in await doomed.stdout.readline():
            pass
        doomed.kill()
        await doomed.communicate()
    gate.set()
    assert text_of(await ended(chat, conversation, topic, "mine")) == "one two three"
    _, answer = chat.rows(conversation)
    assert (answer["status"], answer["content"]) == ("ok", "one two three")


# ---------- many at a time


async def test_two_hundred_sockets_have_a_turn_each(chat: Chat, topic: str) -> None:
    gate = asyncio.Event()

    async def follow(number: int) -> str:
        message = f"{topic} {number}"
        chat.playbook.script(message, text_answer(f"This is for number {number} only").hold(3, gate))
        async with RawSocket(chat.url) as socket:
            conversation = await socket.new_conversation()
            input = {"conversationId": conversation, "message": message}
            events = await read(socket.events(await socket.call("subscription", PATH, input)))
            _, answer = chat.rows(conversation)
            assert (types_of(events)[-1], events[-1]["status"]) == ("complete", "ok")
            assert answer["content"] == text_of(events)
            return text_of(events)

    async with asyncio.timeout(4 * WAIT_SECONDS), asyncio.TaskGroup() as group:
        tasks = [group.create_task(follow(number)) for number in range(SOCKETS)]
        for number in range(SOCKETS):
            # All of them are under way before any of them may go on.
            await chat.playbook.held(f"{topic} {number}")
        gate.set()
    expected = [f"This is for number {number} only" for number in range(SOCKETS)]
    assert [task.result() for task in tasks] == expected


async def test_many_turns_share_a_socket(chat: Chat, client: StockClient, topic: str) -> None:
    async with AsyncExitStack() as stack:
        turns = {}
        for number in range(20):
            message = f"{topic} {number}"
            turns[message] = await stack.enter_async_context(sent(client, await new(client), message))
        for message, events in turns.items():
            assert text_of(await read(events)) == f"You said {message}"


# ---------- the end of a server


@pytest.fixture
def folder(tmp_path: Path, node_modules: Path) -> Path:
    return tmp_path


async def closed_by(client: StockClient, chat: Chat) -> None:
    """Send the server SIGTERM, and wait until it has closed the client's connection."""
    os.kill(chat.server.pid, signal.SIGTERM)
    await client.until("close")


async def test_sigterm_lets_a_turn_end_and_stores_it(folder: Path, topic: str) -> None:
    gate = asyncio.Event()
    async with running_chat(folder, TIDEWIRE_SHUTDOWN_GRACE="20") as chat, StockClient(chat.url) as client:
        chat.playbook.script(topic, text_answer("one two three").hold(2, gate))
        conversation = await new(client)
        async with sent(client, conversation, topic) as events:
            await read_until(events, "text_delta")
            await closed_by(client, chat)
            gate.set()
    _, answer = stored(folder / "chat.db", conversation)
    assert (answer["status"], answer["content"]) == ("ok", "one two three")
    assert "Finished server process" in chat.server.log[-1]


async def test_sigterm_interrupts_what_takes_too_long_and_keeps_what_is_there(
    folder: Path, topic: str
) -> None:
    async with running_chat(folder, TIDEWIRE_SHUTDOWN_GRACE="0.1") as chat, StockClient(chat.url) as client:
        chat.playbook.script(topic, half("one ", "two "))
        conversation = await new(client)
        async with sent(client, conversation, topic) as events:
            await read_until(events, "text_delta")
            await read_until(events, "text_delta")
            await closed_by(client, chat)
            async with asyncio.timeout(WAIT_SECONDS):
                await chat.playbook.requests(topic)[0].hung_up.wait()
    _, answer = stored(folder / "chat.db", conversation)
    assert (answer["status"], answer["content"]) == ("interrupted", "one two ")
    assert "Finished server process" in chat.server.log[-1]


async def test_what_a_killed_server_left_is_interrupted_when_it_starts_again(
    folder: Path, topic: str
) -> None:
    async with running_chat(folder) as chat, StockClient(chat.url) as client:
        chat.playbook.script(topic, half("one "))
        conversation = await new(client)
        async with sent(client, conversation, topic) as events:
            await read_until(events, "text_delta")
            os.kill(chat.server.pid, signal.SIGKILL)
            await client.until("close")
    assert [row["status"] for row in stored(folder / "chat.db", conversation)] == ["ok", "streaming"]
    async with running_chat(folder) as chat, StockClient(chat.url) as client:
        state = await client.query("conversations.get", {"conversationId": conversation})
        assert [message["status"] for message in state["messages"]] == ["ok", "interrupted"]
        assert "activeTurn" not in state
        async with sent(client, conversation, f"{topic} again") as events:
            assert text_of(await read(events)) == f"You said {topic} again"
    assert any("1 answers were cut off" in line for line in chat.server.log)
    with sqlite3.connect(folder / "chat.db") as connection:
        [count] = connection.execute("SELECT count(*) FROM messages WHERE status = 'streaming'").fetchone()
    connection.close()
    assert count == 0


async def test_a_client_goes_on_where_it_was_with_the_server_that_comes_next(
    folder: Path, topic: str
) -> None:
    async with running_chat(folder) as chat, RawSocket(chat.url) as socket:
        input, seen = await told(socket, topic)
    async with running_chat(folder) as chat, RawSocket(chat.url) as socket:
        call = await socket.call("subscription", PATH, input, last_event_id=seen[1]["id"])
        assert [event async for event in socket.events(call)] == seen[2:]
    assert chat.playbook.requests(topic) == []


async def test_the_server_that_comes_next_gives_a_snapshot_once_the_log_has_gone(
    folder: Path, topic: str
) -> None:
    async with running_chat(folder) as chat, RawSocket(chat.url) as socket:
        input, seen = await told(socket, topic)
    async with running_chat(folder, TIDEWIRE_LOG_RETENTION="0") as chat, RawSocket(chat.url) as socket:
        events = seen[2:]
        async with asyncio.timeout(WAIT_SECONDS):
            while events == seen[2:]:
                call = await socket.call("subscription", PATH, input, last_event_id=seen[1]["id"])
                events = [event async for event in socket.events(call)]
    snapshot, complete = (event["data"] for event in events)
    assert (snapshot["type"], snapshot["message"]["content"]) == ("snapshot", f"You said {topic}")
    assert complete == seen[-1]["data"]
    assert chat.playbook.requests(topic) == []


async def told(socket: RawSocket, message: str) -> tuple[Mapping[str, Any], list[Any]]:
    """Send a message, and follow its turn to the end; gives the input of the call as well."""
    conversation = await socket.new_conversation()
    input = {"conversationId": conversation, "message": message, "clientMessageId": "mine"}
    return input, [event async for event in socket.events(await socket.call("subscription", PATH, input))]
