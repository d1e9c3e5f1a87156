"""Conversations: created, found and read by pages, and by nobody but their owner."""

import pytest

from tests.tidewire.chat.asking import MORE, PATHS, new, refusal, send
from tests.tidewire.chat.conftest import Connect
from tests.tidewire.chat.scripted import ScriptedProvider, text
from tidewire.chat.server import ChatServer
from tidewire.testing import CallError, Client

# ---------- what is kept


async def test_a_conversation_is_created_found_renamed_and_deleted(client: Client) -> None:
    created = await client.mutate("conversations.create", {"title": "Tides"})
    assert created.keys() == {"id", "title", "createdAt", "updatedAt"}
    identified = {"conversationId": created["id"]}
    empty = {"conversation": created, "messages": [], "upTo": f"{created['id'][:8]}.0"}
    assert await client.query("conversations.get", identified) == empty
    renamed = await client.mutate("conversations.rename", {**identified, "title": "Ebb"})
    assert (renamed["id"], renamed["title"]) == (created["id"], "Ebb")
    assert await client.mutate("conversations.delete", identified) == {"deleted": True}
    assert (await refusal(client, "conversations.get", identified)).code == "NOT_FOUND"
    assert await client.query("conversations.list", {}) == {"items": []}


async def test_a_conversation_without_a_title_has_none(client: Client) -> None:
    assert "title" not in await client.mutate("conversations.create", {})
    assert "title" not in await client.mutate("conversations.create")


async def test_the_first_message_gives_the_title(client: Client) -> None:
    conversation = await new(client)
    events = await send(client, conversation, "What is\na tide?")
    assert {"type": "title", "title": "What is"} in events
    state = await client.query("conversations.get", {"conversationId": conversation})
    assert state["conversation"]["title"] == "What is"


async def test_conversations_are_listed_by_pages_last_written_first(client: Client) -> None:
    ids = [await new(client, title=f"number {number}") for number in range(5)]
    await send(client, ids[1])
    seen: list[str] = []
    cursor, pages = None, 0
    while pages == 0 or cursor:
        page = await client.query("conversations.list", {"limit": 2, "cursor": cursor})
        seen += [item["id"] for item in page["items"]]
        cursor, pages = page.get("nextCursor"), pages + 1
    assert seen == [ids[1], ids[4], ids[3], ids[2], ids[0]]
    assert pages == 3


async def test_search_looks_into_titles_and_messages(client: Client, scripted: ScriptedProvider) -> None:
    tides, other = await new(client, title="About Tides"), await new(client, title="Other")
    scripted.script(text("It is the moon."))
    await send(client, other, "Why?")

    async def found(search: str) -> list[str]:
        page = await client.query("conversations.list", {"search": search})
        return [item["id"] for item in page["items"]]

    assert await found("tides") == [tides]
    assert await found("MOON") == [other]
    assert await found("%") == []


async def test_messages_are_given_by_pages_newest_page_first(
    client: Client, scripted: ScriptedProvider
) -> None:
    conversation = await new(client)
    for number in range(3):
        scripted.script(text(f"answer {number}"))
        await send(client, conversation, f"question {number}")
    seen: list[str] = []
    cursor, pages = None, 0
    while pages == 0 or cursor:
        input = {"conversationId": conversation, "limit": 4, "cursor": cursor}
        state = await client.query("conversations.get", input)
        seen = [message["content"] for message in state["messages"]] + seen
        cursor, pages = state.get("nextCursor"), pages + 1
    assert seen == [f"{word} {number}" for number in range(3) for word in ("question", "answer")]
    assert pages == 2


@pytest.mark.parametrize("cursor", ["", "nonsense", "bm9uc2Vuc2U", "é"])
async def test_a_cursor_that_is_none_is_refused(client: Client, cursor: str) -> None:
    assert (await refusal(client, "conversations.list", {"cursor": cursor})).code == "BAD_REQUEST"
    conversation = await new(client)
    input = {"conversationId": conversation, "cursor": cursor}
    assert (await refusal(client, "conversations.get", input)).code == "BAD_REQUEST"


# ---------- whose they are


@pytest.mark.parametrize("path", PATHS)
async def test_another_owners_conversation_is_not_found(connect: Connect, path: str) -> None:
    async with connect("ann") as ann, connect("bob") as bob:
        conversation = await new(ann, title="Secret plans")
        input = {"conversationId": conversation} | MORE.get(path, {})
        error = await refusal(bob, f"conversations.{path}", input)
        assert (error.code, str(error)) == ("NOT_FOUND", "There is no such conversation")
        state = await ann.query("conversations.get", {"conversationId": conversation})
        assert (state["conversation"]["title"], state["messages"]) == ("Secret plans", [])


@pytest.mark.parametrize("path", PATHS)
async def test_an_unknown_conversation_is_not_found(client: Client, path: str) -> None:
    input = {"conversationId": "nowhere"} | MORE.get(path, {})
    assert (await refusal(client, f"conversations.{path}", input)).code == "NOT_FOUND"


async def test_lists_and_searches_hold_ones_own_only(connect: Connect) -> None:
    async with connect("ann") as ann, connect("bob") as bob:
        await new(ann, title="Secret plans")
        for input in ({}, {"search": "secret"}):
            assert await bob.query("conversations.list", input) == {"items": []}


async def test_events_of_another_owner_cannot_be_followed(connect: Connect) -> None:
    async with connect("ann") as ann, connect("bob") as bob:
        hers, his = await new(ann), await new(bob)
        input = {"conversationId": hers, "message": "Hi"}
        async with ann.subscribe("conversations.streamMessage", input) as events:
            ids = [event.id async for event in events]
        with pytest.raises(CallError) as caught:
            await send(bob, his, "Hi", after=ids[0])
        assert caught.value.code == "NOT_FOUND"


@pytest.mark.parametrize("path", ["streamMessage", "regenerate", "watch"])
async def test_no_id_of_another_owners_opens_a_conversation(
    connect: Connect, chat: ChatServer, scripted: ScriptedProvider, path: str
) -> None:
    """Neither hers with her ids, nor his own with hers."""
    async with connect("ann") as ann, connect("bob") as bob:
        hers, his = await new(ann), await new(bob)
        scripted.script(text("her secret"), text("his answer"))
        input = {"conversationId": hers, "message": "Hi", "clientMessageId": "sent"}
        async with ann.subscribe("conversations.streamMessage", input) as events:
            ids = [event.id async for event in events]
        await send(bob, his, "Ho")
        state = await ann.query("conversations.get", {"conversationId": hers})
        question, answer = state["messages"]
        turn_id = (await chat.store.messages.history(hers, limit=1))[0].turn_id
        more = {
            "streamMessage": {"message": "Hi", "clientMessageId": "sent"},
            "regenerate": {"messageId": answer["id"]},
        }.get(path, {})
        for after in (None, *ids, f"{turn_id}.0", f"{turn_id}.1", state["upTo"], "nonsense"):
            error = await refusal(bob, f"conversations.{path}", {"conversationId": hers, **more}, after=after)
            assert (error.code, str(error)) == ("NOT_FOUND", "There is no such conversation")
            if after is None:
                continue
            mine = {"conversationId": his, **more} | (
                {"clientMessageId": "other"} if path == "streamMessage" else {}
            )
            if path == "watch":
                async with bob.subscribe("conversations.watch", mine, last_event_id=after) as events:
                    seen = [(await anext(events)).data["message"]["content"] for _ in range(2)]
                assert seen == ["Ho", "his answer"]
            else:
                assert (await refusal(bob, f"conversations.{path}", mine, after=after)).code == "NOT_FOUND"
        assert await ann.query("conversations.get", {"conversationId": hers}) == state
        assert question["content"] == "Hi"


async def test_a_message_of_another_owner_is_not_answered_again(connect: Connect) -> None:
    async with connect("ann") as ann, connect("bob") as bob:
        hers, his = await new(ann), await new(bob)
        await send(ann, hers, "Hi")
        state = await ann.query("conversations.get", {"conversationId": hers})
        for message in state["messages"]:
            input = {"conversationId": his, "messageId": message["id"]}
            assert (await refusal(bob, "conversations.regenerate", input)).code == "NOT_FOUND"
        assert await ann.query("conversations.get", {"conversationId": hers}) == state
