"""A prompt as the body of a chat completion request."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from .base import Prompt, PromptMessage, ToolRequest, ToolSpec


def completion_request(prompt: Prompt, base_url: str) -> dict[str, Any]:
    """The arguments of a streaming `create()` call, for the server at `base_url`."""
    request: dict[str, Any] = {
        "model": prompt.model,
        "messages": [_message(message) for message in prompt.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if prompt.tools:
        request["tools"] = [_tool(tool) for tool in prompt.tools]
    if prompt.temperature is not None:
        request["temperature"] = prompt.temperature
    if prompt.max_output_tokens is not None:
        request[_limit_name(base_url)] = prompt.max_output_tokens
    return request


def _limit_name(base_url: str) -> str:
    # OpenAI's and Azure's reasoning models refuse the old name; Ollama, vLLM and llama.cpp know only that.
    host = f".{urlsplit(base_url).hostname or ''}"
    return (
        "max_completion_tokens" if host.endswith((".api.openai.com", ".openai.azure.com")) else "max_tokens"
    )


def _message(message: PromptMessage) -> Mapping[str, Any]:
    body: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        body["content"] = message.content or None
        body["tool_calls"] = [_tool_call(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        body["tool_call_id"] = message.tool_call_id
    return body


def _tool_call(call: ToolRequest) -> Mapping[str, Any]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": _arguments(call.arguments)},
    }


def _arguments(text: str) -> str:
    """Arguments that every server takes back.

    Ollama, vLLM and llama.cpp decode them for their chat templates and refuse the whole request
    if they are no JSON object, though it was their own model that wrote them.
    """
    try:
        msgspec.json.decode(text or "{}", type=dict[str, Any])
    except msgspec.DecodeError:
        return msgspec.json.encode({"invalid_arguments": text}).decode()
    return text or "{}"


def _tool(tool: ToolSpec) -> Mapping[str, Any]:
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    }
