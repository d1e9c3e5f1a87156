"""The procedures as a client calls them, on the protocol but without a socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.tidewire.chat.conftest import Connect
from tests.tidewire.chat.scripted import WAIT_SECONDS, ScriptedProvider, calls, text
from tidewire.chat import Settings
from tidewire.chat.providers import ProviderError, Text
from tidewire.chat.recovery import close_turn
from tidewire.chat.server import ChatServer
from tidewire.chat.store import StoreError
from tidewire.testing import CallError, Client

Event = dict[str, Any]


async def new(client: Client, **fields: Any) -> str:
    return str((await client.mutate("conversations.create", fields))["id"])


async def send(
    client: Client, conversation_id: str, message: str = "Hello", *, after: str | None = None, **more: Any
) -> list[Event]:
    """Send a message, and read its turn to the end; `after` is the event to go on after."""
    input = {"conversationId": conversation_id, "message": message, **more}
    async with client.subscribe("conversations.streamMessage", input, last_event_id=after) as events:
        return [event.data async for event in events]


async def call(client: Client, path: str, input: Any, *, after: str | None = None) -> Any:
    if path.split(".")[1] in {"streamMessage", "regenerate", "watch"}:
        fields = {**input}
        after = fields.pop("after", after)
        async with client.subscribe(path, fields, last_event_id=after) as events:
            return [event.data async for event in events]
    if path.split(".")[1] in {"create", "rename", "delete", "stop"}:
        return await client.mutate(path, input)
    return await client.query(path, input)


async def refusal(client: Client, path: str, input: Any, *, after: str | None = None) -> CallError:
    with pytest.raises(CallError) as caught:
        async with asyncio.timeout(WAIT_SECONDS):
            await call(client, path, input, after=after)
    return caught.value


# ---------- conversations


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

PATHS = ["get", "rename", "delete", "stop", "streamMessage", "regenerate", "watch"]

MORE: dict[str, dict[str, str]] = {
    "rename": {"title": "Mine"},
    "streamMessage": {"message": "Hi"},
    "regenerate": {"messageId": "m"},
}
"""What a call needs beside the conversation."""


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


# ---------- what can be asked for


async def test_the_configuration_reaches_the_provider(client: Client, scripted: ScriptedProvider) -> None:
    config = {
        "model": "scripted-2",
        "temperature": 0.5,
        "maxOutputTokens": 10,
        "systemPrompt": "Be brief.",
        "tools": ["calculate"],
    }
    await send(client, await new(client), config=config)
    [prompt] = scripted.prompts
    assert (prompt.model, prompt.temperature, prompt.max_output_tokens) == ("scripted-2", 0.5, 10)
    assert (prompt.messages[0].role, prompt.messages[0].content) == ("system", "Be brief.")
    assert [tool.name for tool in prompt.tools] == ["calculate"]


@pytest.mark.parametrize(("tools", "offered"), [(None, ["current_time", "calculate"]), ([], [])])
async def test_all_tools_are_offered_unless_they_are_chosen(
    client: Client, scripted: ScriptedProvider, tools: list[str] | None, offered: list[str]
) -> None:
    await send(client, await new(client), config={"tools": tools})
    assert [tool.name for tool in scripted.prompts[0].tools] == offered


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"message": ""}, "$.message"),
        ({"message": 5}, "$.message"),
        ({"message": "x" * 200_001}, "$.message"),
        ({"conversation_id": 5}, "$.conversationId"),
        ({"clientMessageId": ""}, "$.clientMessageId"),
        ({"config": {"temperature": "hot"}}, "$.config.temperature"),
        ({"config": {"temperature": 3}}, "$.config.temperature"),
        ({"config": {"maxOutputTokens": 0}}, "$.config.maxOutputTokens"),
        ({"config": {"tools": "calculate"}}, "$.config.tools"),
        ({"config": {"tools": ["calculate", 5]}}, "$.config.tools[1]"),
        ({"message": " \n\t\u2003"}, "The message is empty"),
        ({"config": {"tools": ["calculate", "nothing"]}}, "no tool called 'nothing'"),
    ],
)
async def test_a_wrong_message_is_refused_and_named(
    client: Client, scripted: ScriptedProvider, fields: dict[str, Any], named: str
) -> None:
    conversation = await new(client)
    with pytest.raises(CallError) as caught:
        await send(client, **{"conversation_id": conversation, "message": "Hi", **fields})
    assert caught.value.code == "BAD_REQUEST"
    assert named.replace("$", "input") in str(caught.value)
    assert scripted.prompts == []
    state = await client.query("conversations.get", {"conversationId": conversation})
    assert state["messages"] == []


@pytest.mark.parametrize(
    ("path", "input", "named"),
    [
        ("conversations.create", {"title": ""}, "input.title"),
        ("conversations.create", {"title": "x" * 201}, "input.title"),
        ("conversations.list", {"limit": 0}, "input.limit"),
        ("conversations.list", {"limit": 201}, "input.limit"),
        ("conversations.list", {"search": 5}, "input.search"),
        ("conversations.get", {}, "conversationId"),
        ("conversations.rename", {"conversationId": "x", "title": None}, "input.title"),
        ("conversations.stop", [], "array"),
    ],
)
async def test_wrong_types_are_refused_with_their_path(
    client: Client, path: str, input: Any, named: str
) -> None:
    error = await refusal(client, path, input)
    assert error.code == "BAD_REQUEST"
    assert named in str(error)


HALF = "\ud83d"


async def test_half_a_character_in_a_text_is_replaced(client: Client, scripted: ScriptedProvider) -> None:
    conversation = await new(client, title=f"a{HALF}")
    await send(client, conversation, f"b{HALF}")
    state = await client.query("conversations.get", {"conversationId": conversation})
    assert state["conversation"]["title"] == "a\ufffd"
    assert scripted.prompts[0].messages[0].content == "b\ufffd"


@pytest.mark.parametrize("path", PATHS)
async def test_half_a_character_in_an_id_is_refused(client: Client, path: str) -> None:
    input = {"conversationId": HALF} | MORE.get(path, {})
    assert (await refusal(client, f"conversations.{path}", input)).code == "BAD_REQUEST"


async def test_half_a_character_in_a_message_id_is_refused(client: Client) -> None:
    conversation = await new(client)
    with pytest.raises(CallError) as caught:
        await send(client, conversation, clientMessageId=HALF)
    assert caught.value.code == "BAD_REQUEST"
    assert await send(client, conversation)


class TestConfiguredModels:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return Settings(database_url=settings.database_url, models=("scripted-1", "other"), shutdown_grace=0)

    async def test_a_model_that_is_not_among_them_is_refused(self, client: Client) -> None:
        conversation = await new(client)
        with pytest.raises(CallError, match="The model 'third' cannot be chosen") as caught:
            await send(client, conversation, config={"model": "third"})
        assert caught.value.code == "BAD_REQUEST"
        assert await send(client, conversation, config={"model": "other"})


async def test_models_are_listed_with_the_default_first(client: Client) -> None:
    assert await client.query("models.list") == [
        {"id": "scripted-1", "isDefault": True},
        {"id": "scripted-2", "isDefault": False},
    ]


async def test_a_provider_that_cannot_list_models_is_a_typed_error(
    client: Client, scripted: ScriptedProvider
) -> None:
    scripted.models_error = ProviderError("UNAUTHORIZED", "No key.", retryable=False, detail="sk-secret")
    error = await refusal(client, "models.list", {})
    assert (error.code, str(error)) == ("UNAUTHORIZED", "No key.")


async def test_tools_are_listed_with_their_schemas(client: Client) -> None:
    listed = await client.query("tools.list")
    assert [tool["name"] for tool in listed] == ["current_time", "calculate"]
    assert all(tool["description"] and tool["parameters"]["type"] == "object" for tool in listed)


# ---------- during a turn


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


async def test_get_never_shows_the_beginning_of_an_answer_that_has_just_ended(
    client: Client, chat: ChatServer, half_way: HalfWay, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = chat.store.messages.page
    read, gate = asyncio.Event(), asyncio.Event()

    async def slowly(*args: Any, **kwargs: Any) -> Any:
        result = await page(*args, **kwargs)
        read.set()
        await gate.wait()
        return result

    monkeypatch.setattr(chat.store.messages, "page", slowly)
    asking = asyncio.create_task(client.query("conversations.get", half_way.input))
    await read.wait()
    half_way.gate.set()
    await half_way.rest()
    gate.set()
    state = await asking
    assert "activeTurn" not in state
    assert (state["messages"][1]["status"], state["messages"][1]["content"]) == ("ok", "one two three")


async def test_get_never_shows_an_active_turn_without_its_messages(
    client: Client, chat: ChatServer, scripted: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = chat.store.messages.page
    read, gate = asyncio.Event(), asyncio.Event()

    async def slowly(*args: Any, **kwargs: Any) -> Any:
        result = await page(*args, **kwargs)
        read.set()
        await gate.wait()
        return result

    monkeypatch.setattr(chat.store.messages, "page", slowly)
    scripted.script([Text("one"), asyncio.Event()])
    conversation = await new(client)
    asking = asyncio.create_task(client.query("conversations.get", {"conversationId": conversation}))
    await read.wait()
    input = {"conversationId": conversation, "message": "Count"}
    async with client.subscribe("conversations.streamMessage", input) as events:
        await anext(events)
        gate.set()
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


async def test_built_in_tools_run(client: Client, scripted: ScriptedProvider) -> None:
    scripted.script(calls(("1", "calculate", '{"expression":"6*7"}')), text("42."))
    events = await send(client, await new(client))
    [shown] = [event for event in events if event["type"] == "tool_call_complete"]
    assert (shown["result"], shown["isError"]) == (42, False)


# ---------- a database that fails

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
