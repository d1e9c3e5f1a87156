"""A conversation that is read, stopped, renamed or deleted during a turn."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.tidewire.chat.asking import new, refusal
from tests.tidewire.chat.scripted import WAIT_SECONDS, ScriptedProvider, text
from tidewire.chat.providers import Text
from tidewire.chat.server import ChatServer
from tidewire.testing import Client


@pytest.fixture
async def half_way(client: Client, scripted: ScriptedProvider) -> AsyncIterator["HalfWay"]:
    """A turn that has said something, and waits."""
    gate = asyncio.Event()
    scripted.script([Text("one "), gate, *text("two three")])
    conversation = await new(client)
    input = {"conversationId": conversation, "message": "Count"}
    async with client.subscribe("conversations.streamMessage", input) as events:
        seen = [await anext(events) for _ in range(3)]
        yield HalfWay(conversation, gate, seen, events)


class HalfWay:
    def __init__(
        self, conversation: str, gate: asyncio.Event, seen: list[Any], events: AsyncIterator[Any]
    ) -> None:
        self.conversation = conversation
        self.input = {"conversationId": conversation}
        self.gate = gate
        self.seen = seen
        self.events = events

    async def rest(self) -> list[Any]:
        return [event async for event in self.events]


async def test_get_shows_the_answer_so_far_and_how_to_follow_it(client: Client, half_way: HalfWay) -> None:
    state = await client.query("conversations.get", half_way.input)
    question, answer = state["messages"]
    assert (answer["status"], answer["content"]) == ("streaming", "one ")
    turn = state["activeTurn"]
    assert (turn["messageId"], turn["userMessageId"]) == (answer["id"], question["id"])
    assert turn["turnId"] == answer["turnId"]
    assert turn["upTo"] == half_way.seen[-1].id
    half_way.gate.set()
    input = {**half_way.input, "message": "Count"}
    async with client.subscribe(
        "conversations.streamMessage", input, last_event_id=turn["upTo"]
    ) as following:
        rest = [event async for event in following]
    assert rest == await half_way.rest()
    assert answer["content"] + "".join(event.data.get("content", "") for event in rest) == "one two three"
    state = await client.query("conversations.get", half_way.input)
    assert "activeTurn" not in state
    assert (state["messages"][1]["status"], state["messages"][1]["content"]) == ("ok", "one two three")


class SlowPage:
    """Holds what was read of a conversation's messages back until the gate is open."""

    def __init__(self, chat: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read = asyncio.Event()
        self.gate = asyncio.Event()
        self._page = chat.store.messages.page
        monkeypatch.setattr(chat.store.messages, "page", self._slowly)

    async def _slowly(self, *args: Any, **kwargs: Any) -> Any:
        result = await self._page(*args, **kwargs)
        self.read.set()
        await self.gate.wait()
        return result


async def test_get_never_shows_the_beginning_of_an_answer_that_has_just_ended(
    client: Client, chat: ChatServer, half_way: HalfWay, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = SlowPage(chat, monkeypatch)
    asking = asyncio.create_task(client.query("conversations.get", half_way.input))
    await page.read.wait()
    half_way.gate.set()
    await half_way.rest()
    page.gate.set()
    state = await asking
    assert "activeTurn" not in state
    assert (state["messages"][1]["status"], state["messages"][1]["content"]) == ("ok", "one two three")


async def test_get_never_shows_an_active_turn_without_its_messages(
    client: Client, chat: ChatServer, scripted: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = SlowPage(chat, monkeypatch)
    scripted.script([Text("one"), asyncio.Event()])
    conversation = await new(client)
    asking = asyncio.create_task(client.query("conversations.get", {"conversationId": conversation}))
    await page.read.wait()
    input = {"conversationId": conversation, "message": "Count"}
    async with client.subscribe("conversations.streamMessage", input) as events:
        await anext(events)
        page.gate.set()
        state = await asking
    assert state["activeTurn"]["messageId"] == state["messages"][1]["id"]


async def test_older_pages_can_be_read_during_a_turn(client: Client, half_way: HalfWay) -> None:
    newest = await client.query("conversations.get", {**half_way.input, "limit": 1})
    assert [message["role"] for message in newest["messages"]] == ["assistant"]
    older = await client.query("conversations.get", {**half_way.input, "cursor": newest["nextCursor"]})
    assert [message["content"] for message in older["messages"]] == ["Count"]


async def test_stop_says_whether_there_was_something_to_stop(client: Client, half_way: HalfWay) -> None:
    assert await client.mutate("conversations.stop", half_way.input) == {"stopped": True}
    rest = [event.data for event in await half_way.rest()]
    assert [event["type"] for event in rest] == ["usage", "stopped", "complete"]
    assert rest[1] == {"type": "stopped", "by": "local"}
    assert rest[2]["status"] == "stopped"
    state = await client.query("conversations.get", half_way.input)
    assert (state["messages"][1]["status"], state["messages"][1]["content"]) == ("stopped", "one ")
    assert await client.mutate("conversations.stop", half_way.input) == {"stopped": False}


async def test_deleting_stops_the_turn_and_tells_its_readers(
    client: Client, scripted: ScriptedProvider, half_way: HalfWay
) -> None:
    assert await client.mutate("conversations.delete", half_way.input) == {"deleted": True}
    rest = [event.data for event in await half_way.rest()]
    assert (rest[-2], rest[-1]["status"]) == ({"type": "stopped", "by": "deletion"}, "stopped")
    assert scripted.open_streams == 0
    assert (await refusal(client, "conversations.get", half_way.input)).code == "NOT_FOUND"


async def test_nothing_can_begin_while_a_conversation_is_deleted(
    client: Client, chat: ChatServer, scripted: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = chat.store.conversations.delete
    deleting, gate = asyncio.Event(), asyncio.Event()

    async def slowly(*args: Any) -> bool:
        deleting.set()
        await gate.wait()
        return await delete(*args)

    monkeypatch.setattr(chat.store.conversations, "delete", slowly)
    conversation = await new(client)
    task = asyncio.create_task(client.mutate("conversations.delete", {"conversationId": conversation}))
    await deleting.wait()
    scripted.script([asyncio.Event()])
    input = {"conversationId": conversation, "message": "Hi"}
    async with client.subscribe("conversations.streamMessage", input) as events:
        await anext(events)
        gate.set()
        assert await task == {"deleted": True}
        assert [event.data["type"] async for event in events][-1] == "complete"
    assert chat.turns.active(conversation) is None


async def test_renaming_does_not_disturb_a_turn(client: Client, half_way: HalfWay) -> None:
    await client.mutate("conversations.rename", {**half_way.input, "title": "Numbers"})
    half_way.gate.set()
    assert (await half_way.rest())[-1].data["status"] == "ok"
    state = await client.query("conversations.get", half_way.input)
    assert state["conversation"]["title"] == "Numbers"


async def test_a_subscription_that_is_stopped_does_not_stop_the_turn(
    client: Client, chat: ChatServer, scripted: ScriptedProvider
) -> None:
    gate = asyncio.Event()
    scripted.script([Text("one "), gate, *text("two")])
    conversation = await new(client)
    input = {"conversationId": conversation, "message": "Count"}
    async with client.subscribe("conversations.streamMessage", input) as events:
        await anext(events)
    turn = chat.turns.active(conversation)
    assert turn is not None
    gate.set()
    async with asyncio.timeout(WAIT_SECONDS):
        await turn.ended()
    state = await client.query("conversations.get", {"conversationId": conversation})
    assert state["messages"][1]["content"] == "one two"
