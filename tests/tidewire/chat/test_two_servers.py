"""Two servers on one database, as in a deploy: who ends what, and who sees what the other writes."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from tests.tidewire.chat.scripted import WAIT_SECONDS, ScriptedProvider, text
from tidewire import Tracked
from tidewire.chat import ChatContext, Settings, router
from tidewire.chat.log import Entry, Written
from tidewire.chat.models import Message
from tidewire.chat.providers import Text
from tidewire.chat.recovery import close_turn
from tidewire.chat.server import ChatServer
from tidewire.chat.store import Page, StoreError
from tidewire.testing import CallError, Client

STREAM = "conversations.streamMessage"
WATCH = "conversations.watch"


class House:
    """A server with a connection to it."""

    def __init__(self, settings: Settings) -> None:
        self.provider = ScriptedProvider()
        self.chat = ChatServer(settings, provider=self.provider)
        self.client = Client(router, context=lambda connection: ChatContext(connection, self.chat, "local"))

    async def at_gate(self) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            await self.provider.waiting.wait()


@asynccontextmanager
async def running(settings: Settings) -> AsyncGenerator[House]:
    house = House(settings)
    async with house.chat.running(), house.client:
        yield house


@pytest.fixture
async def old(settings: Settings) -> AsyncIterator[House]:
    async with running(settings) as house:
        yield house


async def new_conversation(house: House) -> str:
    return str((await house.client.mutate("conversations.create", {}))["id"])


async def forever(log: object) -> None:
    await asyncio.Event().wait()


async def read(events: AsyncIterator[Any]) -> list[Tracked[Any]]:
    return [event async for event in events]


def hold_back(house: House, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Let nobody on this server hear of what the other one writes, until the event is set."""
    events, heard = house.chat.store.events, asyncio.Event()
    positions = events.positions

    async def later(conversation_ids: Sequence[str]) -> dict[str, int]:
        await heard.wait()
        return await positions(conversation_ids)

    monkeypatch.setattr(events, "positions", later)
    return heard


async def new_conversation_with_an_answer(house: House) -> dict[str, str]:
    conversation = {"conversationId": await new_conversation(house)}
    house.provider.script(text("zero"))
    async with house.client.subscribe(STREAM, {**conversation, "message": "First"}) as events:
        await read(events)
    return conversation


async def looked(house: House, conversation: dict[str, str]) -> None:
    """Let whoever has just subscribed come to wait."""
    for _ in range(3):
        await house.client.query("conversations.get", conversation)


async def test_a_turn_of_the_old_server_is_followed_on_the_new_one(old: House, settings: Settings) -> None:
    gate = asyncio.Event()
    old.provider.script([Text("one "), gate, *text("two three")])
    asked = {"conversationId": await new_conversation(old), "message": "Hello", "clientMessageId": "mine"}
    async with old.client.subscribe(STREAM, asked) as events, running(settings) as new:
        await old.at_gate()
        first = await anext(events)
        async with (
            new.client.subscribe(STREAM, asked, last_event_id=first.id) as continued,
            new.client.subscribe(STREAM, asked) as repeated,
        ):
            start = await anext(repeated)
            gate.set()
            rest = await read(events)
            assert await read(continued) == rest
            assert [start, *await read(repeated)] == [first, *rest]
        assert rest[-1].data["status"] == "ok"
        assert new.provider.prompts == []


async def test_a_message_is_not_answered_by_both(old: House, settings: Settings) -> None:
    gate = asyncio.Event()
    old.provider.script([gate, *text("one two")])
    conversation = {"conversationId": await new_conversation(old)}
    async with (
        old.client.subscribe(STREAM, {**conversation, "message": "Hello"}) as events,
        running(settings) as new,
    ):
        await old.at_gate()
        with pytest.raises(CallError) as caught:
            async with new.client.subscribe(STREAM, {**conversation, "message": "Another"}) as refused:
                await anext(refused)
        assert caught.value.code == "CONFLICT"
        with pytest.raises(CallError) as caught:
            await new.client.mutate("conversations.stop", conversation)
        assert caught.value.code == "CONFLICT"
        async with new.client.subscribe(STREAM, {**conversation, "message": "Hello"}) as attached:
            start = await anext(attached)
            gate.set()
            assert [start, *await read(attached)] == await read(events)
        async with new.client.subscribe(STREAM, {**conversation, "message": "Another"}) as answered:
            assert (await read(answered))[-1].data["status"] == "ok"
        assert (len(old.provider.prompts), len(new.provider.prompts)) == (1, 1)


async def test_a_conversation_is_not_deleted_under_an_answer_of_the_old_server(
    old: House, settings: Settings
) -> None:
    gate = asyncio.Event()
    old.provider.script([Text("one "), gate, *text("two")])
    conversation = {"conversationId": await new_conversation(old)}
    async with (
        old.client.subscribe(STREAM, {**conversation, "message": "Hello"}) as events,
        running(settings) as new,
    ):
        await old.at_gate()
        with pytest.raises(CallError) as caught:
            await new.client.mutate("conversations.delete", conversation)
        assert caught.value.code == "CONFLICT"
        gate.set()
        assert (await read(events))[-1].data["status"] == "ok"
        state = await new.client.query("conversations.get", conversation)
        assert [message["content"] for message in state["messages"]] == ["Hello", "one two"]
        assert await new.client.mutate("conversations.delete", conversation) == {"deleted": True}


async def test_who_follows_on_the_new_server_is_told_that_the_old_one_has_deleted_the_conversation(
    old: House, settings: Settings
) -> None:
    old.provider.script([Text("one "), asyncio.Event()])
    asked = {"conversationId": await new_conversation(old), "message": "Hello", "clientMessageId": "mine"}
    conversation = {"conversationId": asked["conversationId"]}
    async with old.client.subscribe(STREAM, asked), running(settings) as new:
        await old.at_gate()
        async with (
            new.client.subscribe(STREAM, asked) as events,
            new.client.subscribe(WATCH, conversation) as watched,
            asyncio.timeout(WAIT_SECONDS),
        ):
            await anext(events)
            await anext(watched)
            assert await old.client.mutate("conversations.delete", conversation) == {"deleted": True}
            for reader in (events, watched):
                with pytest.raises(CallError, match="deleted"):
                    await read(reader)


async def test_a_conversation_is_shown_as_far_as_the_old_server_has_come(
    old: House, settings: Settings
) -> None:
    gate = asyncio.Event()
    old.provider.script([Text("one "), gate, *text("two")])
    conversation = {"conversationId": await new_conversation(old)}
    async with (
        old.client.subscribe(STREAM, {**conversation, "message": "Hello"}) as events,
        running(settings) as new,
    ):
        await old.at_gate()
        while (await anext(events)).data["type"] != "text_delta":
            pass
        state = await new.client.query("conversations.get", conversation)
        assert [message["content"] for message in state["messages"]] == ["Hello", "one "]
        async with new.client.subscribe(WATCH, conversation, last_event_id=state["upTo"]) as watched:
            gate.set()
            rest = await read(events)
            assert [await anext(watched) for _ in rest] == rest


async def test_an_answer_that_ends_on_the_old_server_while_the_new_one_looks_is_shown_and_its_end_follows(
    old: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = await new_conversation_with_an_answer(old)
    gate = asyncio.Event()
    old.provider.script([Text("one "), gate, *text("two")])
    async with (
        old.client.subscribe(STREAM, {**conversation, "message": "Hello"}) as events,
        running(settings) as new,
    ):
        await old.at_gate()
        turn_events = new.chat.store.events.turn

        async def later(conversation_id: str, turn_id: str) -> list[Entry]:
            gate.set()
            seen.extend(await read(events))
            return await turn_events(conversation_id, turn_id)

        seen: list[Tracked[Any]] = []
        monkeypatch.setattr(new.chat.store.events, "turn", later)
        state = await new.client.query("conversations.get", conversation)
        assert state["messages"][-1]["content"] == "one two"
        async with new.client.subscribe(WATCH, conversation, last_event_id=state["upTo"]) as watched:
            assert await anext(watched) == seen[-1]
        state = await new.client.query("conversations.get", conversation)
    assert (state["messages"][-1]["status"], state["upTo"]) == ("ok", seen[-1].id)


async def test_a_conversation_is_shown_while_the_old_server_writes_on(
    old: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = [asyncio.Event() for _ in range(5)]
    old.provider.script([*(step for gate in more for step in (Text("word "), gate)), *text("end")])
    conversation = {"conversationId": await new_conversation(old)}
    async with (
        old.client.subscribe(STREAM, {**conversation, "message": "Hello"}) as events,
        running(settings) as new,
    ):
        await old.at_gate()
        page = new.chat.store.messages.page
        looks = iter(more)

        async def slowly(*args: Any, **kwargs: Any) -> Page[Message]:
            """Look for so long that the other server comes one word further."""
            found = await page(*args, **kwargs)
            next(looks).set()
            while (await anext(events)).data["type"] != "text_delta":
                pass
            return found

        while (await anext(events)).data["type"] != "text_delta":
            pass
        monkeypatch.setattr(new.chat.store.messages, "page", slowly)
        state = await new.client.query("conversations.get", conversation)
        assert state["messages"][-1]["content"] == "word word "
        async with new.client.subscribe(WATCH, conversation, last_event_id=state["upTo"]) as watched:
            for gate in more:
                gate.set()
            assert (await anext(watched)).data == {"type": "text_delta", "content": "word "}


async def test_an_answer_whose_end_is_told_but_cannot_be_stored_is_shown(
    old: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = await new_conversation_with_an_answer(old)
    store, conversation_id = old.chat.store, conversation["conversationId"]
    user, answer = await store.messages.history(conversation_id, limit=2)
    left = msgspec.structs.replace(answer, id="left", turn_id="left", status="streaming")
    await store.messages.begin_turn("local", msgspec.structs.replace(user, id="asked", turn_id="left"), left)

    async def fail(message: Message) -> bool:
        raise StoreError("The database is busy or unavailable.")

    monkeypatch.setattr(store.messages, "save", fail)
    with pytest.raises(StoreError):
        await close_turn(store, store.events, conversation_id, "left", max_history_messages=10)
    async with asyncio.timeout(WAIT_SECONDS):
        state = await old.client.query("conversations.get", conversation)
        async with old.client.subscribe(WATCH, conversation, last_event_id=state["upTo"]) as watched:
            end = await anext(watched)
    assert (state["messages"][-1]["id"], end.data["type"]) == ("left", "complete")


async def test_a_turn_is_continued_where_the_new_server_has_not_heard_of_its_events_yet(
    old: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = await new_conversation_with_an_answer(old)
    asked = {**conversation, "message": "Hello", "clientMessageId": "mine"}
    gate = asyncio.Event()
    old.provider.script([Text("one "), gate, *text("two")])
    async with running(settings) as new:
        heard = hold_back(new, monkeypatch)
        async with new.client.subscribe(WATCH, conversation) as watched:
            # Another reader: what it knows is what the server knows of the conversation.
            assert (await anext(watched)).data["message"]["content"] == "zero"
            async with old.client.subscribe(STREAM, asked) as events:
                seen = [await anext(events)]
                while seen[-1].data["type"] != "text_delta":
                    seen.append(await anext(events))
                async with new.client.subscribe(STREAM, asked, last_event_id=seen[-1].id) as continued:
                    going_on = asyncio.create_task(read(continued))
                    await looked(new, conversation)
                    gate.set()
                    rest = await read(events)
                    heard.set()
                    assert await going_on == rest
                assert [await anext(watched) for _ in [*seen, *rest]] == [*seen, *rest]
    assert rest[-1].data["status"] == "ok"


async def test_what_get_shows_and_what_is_watched_fit_where_the_new_server_has_not_heard_of_the_end_yet(
    old: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = await new_conversation_with_an_answer(old)
    old.provider.script(text("one two"), text("three"))
    async with running(settings) as new:
        heard = hold_back(new, monkeypatch)
        async with new.client.subscribe(WATCH, conversation) as watched:
            await anext(watched)
            async with old.client.subscribe(STREAM, {**conversation, "message": "Hello"}) as events:
                seen = await read(events)
            state = await new.client.query("conversations.get", conversation)
            assert [message["content"] for message in state["messages"]] == [
                *("First", "zero", "Hello", "one two")
            ]
            assert {message["status"] for message in state["messages"]} == {"ok"}
            assert state["upTo"] == seen[-1].id
            async with new.client.subscribe(WATCH, conversation, last_event_id=state["upTo"]) as following:
                await looked(new, conversation)
                async with old.client.subscribe(STREAM, {**conversation, "message": "Next"}) as events:
                    sent = await read(events)
                heard.set()
                assert [await anext(following) for _ in sent] == sent


async def test_a_message_that_is_sent_again_before_the_old_server_wrote_its_first_event_is_followed(
    old: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = await new_conversation_with_an_answer(old)
    asked = {**conversation, "message": "Hello", "clientMessageId": "mine"}
    old.provider.script(text("one two"))
    write, go = old.chat.store.events.write, asyncio.Event()

    async def later(entries: Sequence[Written]) -> None:
        await go.wait()
        await write(entries)

    monkeypatch.setattr(old.chat.store.events, "write", later)
    async with running(settings) as new, old.client.subscribe(STREAM, asked) as events:
        await looked(old, {"conversationId": await new_conversation(old)})
        async with new.client.subscribe(STREAM, asked) as repeated:
            following = asyncio.create_task(read(repeated))
            await looked(new, conversation)
            go.set()
            sent = await read(events)
            assert await following == sent
    assert (sent[0].data["type"], sent[-1].data["status"]) == ("start", "ok")
    assert new.provider.prompts == []


async def test_what_a_dead_server_left_is_ended_by_the_one_that_is_there(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The old one lives on here: it is not counted any more, and cannot write what it still has to say.
    monkeypatch.setattr("tidewire.chat.turn.STORE_PATIENCE", 0.01)

    async def dies(server: ChatServer) -> None:
        monkeypatch.setattr(server, "_mind_others", forever)
        await server.store.servers.leave()

    async with running(settings) as old:
        old.provider.script([Text("one "), asyncio.Event()])
        conversation = {"conversationId": await new_conversation(old)}
        async with (
            old.client.subscribe(STREAM, {**conversation, "message": "Hello"}) as events,
            running(settings) as new,
        ):
            await old.at_gate()
            while (first := await anext(events)).data["type"] != "text_delta":
                pass
            async with new.client.subscribe(WATCH, conversation, last_event_id=first.id) as watched:
                await dies(old.chat)
                types = [(await anext(watched)).data["type"] for _ in range(3)]
            assert types == ["usage", "error", "complete"]
            state = await new.client.query("conversations.get", conversation)
            assert [message["status"] for message in state["messages"]] == ["ok", "interrupted"]
            assert state["messages"][1]["content"] == "one "
            async with new.client.subscribe(STREAM, {**conversation, "message": "Next"}) as answered:
                assert (await read(answered))[-1].data["status"] == "ok"


async def test_a_server_alone_deletes_a_conversation_whose_answer_nobody_writes(old: House) -> None:
    conversation = await new_conversation_with_an_answer(old)
    await leave_open(old, conversation)
    assert await old.client.mutate("conversations.delete", conversation) == {"deleted": True}
    assert await old.chat.store.messages.history(conversation["conversationId"], limit=2) == []
    assert await old.chat.store.events.turn(conversation["conversationId"], "turn") == []


async def leave_open(house: House, conversation: dict[str, str]) -> None:
    _, answer = await house.chat.store.messages.history(conversation["conversationId"], limit=2)
    await house.chat.store.messages.save(msgspec.structs.replace(answer, status="streaming"))


async def test_a_server_alone_ends_a_turn_that_nobody_writes(old: House) -> None:
    """Such as one whose beginning was stored when the database's answer got lost."""
    conversation = {"conversationId": await new_conversation(old)}
    old.provider.script(text("one"), text("two"))
    async with old.client.subscribe(STREAM, {**conversation, "message": "Hello"}) as events:
        await read(events)
    await leave_open(old, conversation)
    async with old.client.subscribe(STREAM, {**conversation, "message": "Next"}) as events:
        assert (await read(events))[-1].data["status"] == "ok"
    state = await old.client.query("conversations.get", conversation)
    assert [message["status"] for message in state["messages"]] == ["ok", "ok", "ok", "ok"]
