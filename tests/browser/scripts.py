"""Answers of the provider that tests of pages share."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from tests.upstream import (
    DONE,
    ROLE,
    Script,
    Stall,
    Step,
    Wait,
    chunk,
    event,
    failure,
    stream,
    text_answer,
    tool_answer,
    usage_chunk,
)


def gated(text: str) -> tuple[Script, Sequence[asyncio.Event]]:
    """An answer of which each word waits for a gate of its own."""
    words = text.split(" ")
    gates = [asyncio.Event() for _ in words]
    steps: list[Step] = [ROLE]
    for index, (word, gate) in enumerate(zip(words, gates, strict=True)):
        steps += [Wait(gate), chunk({"content": word if index == len(words) - 1 else f"{word} "})]
    return stream(*steps, chunk({}, "stop"), usage_chunk(), DONE), gates


def endless(text: str) -> Script:
    """An answer that says so much, and then nothing more until it is given up."""
    return stream(*text_answer(text).steps[:-3], Stall())


def pieces(text: str, size: int) -> Script:
    """An answer in pieces of so many characters, wherever that cuts it."""
    parts = [text[start : start + size] for start in range(0, len(text), size)]
    return stream(ROLE, *(chunk({"content": part}) for part in parts), chunk({}, "stop"), usage_chunk(), DONE)


def thinking(thought: str, text: str) -> Script:
    """An answer that thinks aloud first."""
    return stream(ROLE, chunk({"reasoning_content": thought}), *text_answer(text).steps[1:])


def broken_off(text: str) -> Script:
    """An answer in whose middle the provider reports an error."""
    error: dict[str, Any] = {"error": {"message": "The provider is overloaded.", "type": "server_error"}}
    return stream(*text_answer(text).steps[:-3], event(error))


def writing_calls(id: str, name: str, arguments: str, gate: asyncio.Event) -> Script:
    """A tool call whose arguments stop half-way, until the gate opens."""
    return tool_answer([(id, name, arguments)]).hold(3, gate)


OVERLOADED: Final = failure(503, "The provider is overloaded.", type="server_error")
