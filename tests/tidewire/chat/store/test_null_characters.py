"""The null character, which PostgreSQL does not take: it is shown as one that is missing."""

import pytest

from tests.tidewire.chat.scripted import STOP, USAGE, ScriptedProvider, text
from tidewire.chat import ChatContext, Settings, router
from tidewire.chat.providers import Finish, Reasoning, Refusal, Text, ToolCallArguments, ToolCallBegin
from tidewire.chat.server import ChatServer
from tidewire.chat.tools import tool
from tidewire.testing import CallError, Client


@tool
async def double(word: str) -> str:
    """Say a word twice, with a null character in between."""
    return f"{word}\0{word}"


async def test_null_characters_of_users_models_and_tools_end_no_turn(url: str) -> None:
    provider = ScriptedProvider()
    provider.script(
        [
            Reasoning("r\0r"),
            Text("t\0"),
            Text("\0t"),
            ToolCallBegin(0, "c\0c", "n\0n"),
            ToolCallArguments(0, '{"a\0": 1}'),
            ToolCallBegin(1, "1", "double"),
            ToolCallArguments(1, '{"word": "w\\u0000'),
            ToolCallArguments(1, '\0w"}'),
            USAGE,
            Finish("tool\0calls"),
        ],
        [*text("done\0"), Refusal("f\0"), STOP],
        text("again"),
    )
    chat = ChatServer(
        Settings(database_url=url, shutdown_grace=0, models=("m", "scripted-1")),
        provider=provider,
        tools=[double],
    )
    client = Client(router, context=lambda connection: ChatContext(connection, chat, "local"))
    async with chat.running(), client:
        created = await client.mutate("conversations.create", {"title": "a\0b"})
        assert created["title"] == "a\ufffdb"
        input = {"conversationId": created["id"]}
        sent = {**input, "message": "u\0u", "config": {"model": "m", "systemPrompt": "s\0"}}
        async with client.subscribe("conversations.streamMessage", sent) as events:
            seen = [event.data async for event in events]
        assert (seen[-1]["type"], seen[-1]["status"], seen[-1]["finishReason"]) == ("complete", "ok", "stop")
        said = [event["content"] for event in seen if event["type"] == "text_delta"]
        assert said == ["t\ufffd", "\ufffdt", "done\ufffd"]
        state = await client.query("conversations.get", input)
        question, answer = state["messages"]
        assert (question["content"], answer["status"]) == ("u\ufffdu", "ok")
        assert answer["content"] == "t\ufffd\ufffdtdone\ufffd"
        calls = [part for part in answer["parts"] if part["type"] == "tool_call"]
        assert [(call["toolCallId"], call["toolName"]) for call in calls] == [
            ("c\ufffdc", "n\ufffdn"),
            ("1", "double"),
        ]
        assert [(call.get("isError", False), call["args"]) for call in calls] == [
            (True, {"a\ufffd": 1}),
            (False, {"word": "w\0\ufffdw"}),
        ]
        # JSON carries it as an escape.
        assert calls[1]["result"] == "w\0\ufffdw\0w\0\ufffdw"
        async with client.subscribe("conversations.streamMessage", {**input, "message": "Next"}) as events:
            assert [event.data async for event in events][-1]["status"] == "ok"


@pytest.mark.parametrize(
    ("path", "input", "codes"),
    [
        ("conversations.get", {"conversationId": "a\0b"}, {"NOT_FOUND", "BAD_REQUEST"}),
        ("conversations.list", {"search": "a\0b"}, {None, "BAD_REQUEST"}),
        ("conversations.streamMessage", {"clientMessageId": "a\0b"}, {None, "BAD_REQUEST"}),
        ("conversations.regenerate", {"messageId": "a\0b"}, {"NOT_FOUND", "BAD_REQUEST"}),
    ],
)
async def test_null_characters_in_what_is_looked_for_are_no_failure_of_the_server(
    url: str, path: str, input: dict[str, str], codes: set[str | None]
) -> None:
    chat = ChatServer(Settings(database_url=url, shutdown_grace=0), provider=ScriptedProvider())
    client = Client(router, context=lambda connection: ChatContext(connection, chat, "local"))
    async with chat.running(), client:
        created = await client.mutate("conversations.create", {"title": "ab"})
        code = None
        try:
            if path in ("conversations.get", "conversations.list"):
                await client.query(path, input)
            else:
                whole = {"conversationId": created["id"], "message": "Hi", **input}
                async with client.subscribe(path, whole) as events:
                    assert [event.data async for event in events][-1]["status"] == "ok"
        except CallError as error:
            code = error.code
        assert code in codes
