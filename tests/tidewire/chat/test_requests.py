"""What can be asked for: a model, tools and texts, and what of that is refused."""

from typing import Any

import pytest

from tests.tidewire.chat.asking import MORE, PATHS, new, refusal, send
from tests.tidewire.chat.scripted import ScriptedProvider, calls, text
from tidewire.chat import Settings
from tidewire.chat.providers import ProviderError
from tidewire.testing import CallError, Client


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


async def test_built_in_tools_run(client: Client, scripted: ScriptedProvider) -> None:
    scripted.script(calls(("1", "calculate", '{"expression":"6*7"}')), text("42."))
    events = await send(client, await new(client))
    [shown] = [event for event in events if event["type"] == "tool_call_complete"]
    assert (shown["result"], shown["isError"]) == (42, False)
