"""Stored messages as the prompt of the next provider call."""

from collections.abc import Iterable, Iterator
from itertools import groupby

import msgspec

from .models import Message, Part, TextPart, ToolCallPart
from .providers.base import PromptMessage, ToolRequest
from .tools import result_text

UNFINISHED = "The tool was interrupted before it gave a result."


def prompt_messages(system_prompt: str | None, history: Iterable[Message]) -> list[PromptMessage]:
    """Everything the model gets to see: instructions, then the conversation, oldest first."""
    system = [PromptMessage(role="system", content=system_prompt)] if system_prompt else []
    return [*system, *(said for message in history for said in _said(message))]


def _said(message: Message) -> Iterator[PromptMessage]:
    if message.role == "user":
        yield PromptMessage(role="user", content=message.content)
        return
    for round_parts in _rounds(message.parts):
        text = "".join(part.content for part in round_parts if isinstance(part, TextPart))
        calls = [part for part in round_parts if isinstance(part, ToolCallPart)]
        if text or calls:
            yield PromptMessage(role="assistant", content=text, tool_calls=[_request(call) for call in calls])
        for call in calls:
            content = result_text(call.result) if call.done else UNFINISHED
            yield PromptMessage(role="tool", content=content, tool_call_id=call.tool_call_id)


def _rounds(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Split an answer after each round of tool calls, as the provider gave it."""
    current: list[Part] = []
    for is_call, group in groupby(parts, key=lambda part: isinstance(part, ToolCallPart)):
        if not is_call:
            current.extend(group)
            continue
        for _, calls in groupby(group, key=lambda part: part.round if isinstance(part, ToolCallPart) else 0):
            yield [*current, *calls]
            current = []
    if current:
        yield current


def _request(call: ToolCallPart) -> ToolRequest:
    arguments = call.args if isinstance(call.args, str) else msgspec.json.encode(call.args or {}).decode()
    return ToolRequest(call.tool_call_id, call.tool_name, arguments)
