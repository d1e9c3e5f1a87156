"""What is sent upstream."""

import json

import pytest

from tidewire.chat.providers import Prompt, PromptMessage, ToolRequest, ToolSpec
from tidewire.chat.providers.request import completion_request

OPENAI = "https://api.openai.com/v1"


def test_a_plain_prompt_sends_only_what_it_holds() -> None:
    prompt = Prompt(model="m", messages=[PromptMessage(role="user", content="Hi")])
    assert completion_request(prompt, OPENAI) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_tools_and_temperature_are_sent() -> None:
    tool = ToolSpec(name="f", description="Does f.", parameters={"type": "object"})
    request = completion_request(Prompt(model="m", messages=[], tools=[tool], temperature=0.0), OPENAI)
    function = {"name": "f", "description": "Does f.", "parameters": {"type": "object"}}
    assert request["tools"] == [{"type": "function", "function": function}]
    assert request["temperature"] == 0.0


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", "max_completion_tokens"),
        ("https://mine.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("http://localhost:11434/v1", "max_tokens"),
        ("https://api.openai.com.example.org/v1", "max_tokens"),
    ],
)
def test_the_length_limit_has_the_name_the_server_knows(base_url: str, name: str) -> None:
    request = completion_request(Prompt(model="m", messages=[], max_output_tokens=5), base_url)
    assert request[name] == 5
    assert len({"max_tokens", "max_completion_tokens"} & request.keys()) == 1


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ('{"x": 1}', '{"x": 1}'),
        ("", "{}"),
        ('{"x": ', json.dumps({"invalid_arguments": '{"x": '}, separators=(",", ":"))),
        ("[1]", '{"invalid_arguments":"[1]"}'),
    ],
)
def test_arguments_go_back_as_a_json_object(arguments: str, sent: str) -> None:
    messages = [
        PromptMessage(role="assistant", content="", tool_calls=[ToolRequest("a", "f", arguments)]),
        PromptMessage(role="tool", content="42", tool_call_id="a"),
    ]
    request = completion_request(Prompt(model="m", messages=messages), OPENAI)
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": sent}}
    assert request["messages"] == [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "42", "tool_call_id": "a"},
    ]
