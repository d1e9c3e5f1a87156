"""The built-in provider: answers without a model, so that the server works on a fresh machine."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from itertools import takewhile
from typing import Final

import msgspec

from .base import (
    Delta,
    Finish,
    Prompt,
    PromptMessage,
    Text,
    TokenUsage,
    ToolCallArguments,
    ToolCallBegin,
    ToolRequest,
)

_MAX_QUOTE_CHARACTERS: Final = 200
_WORD: Final = re.compile(r"\s*\S+\s*")
_NUMBER: Final = r"\d+(?:\.\d+)?"
_TIME: Final = re.compile(r"\b(time|clock)\b", re.IGNORECASE)
_TIMEZONE: Final = re.compile(r"\b[A-Z][A-Za-z]+(?:/[A-Z][A-Za-z_]+)+\b")
_SUM: Final = re.compile(
    rf"\b(?:add|sum of|sum)\s+(-?{_NUMBER}(?:(?:\s*,\s*and\s+|\s*,\s*|\s+and\s+|\s+to\s+)-?{_NUMBER})+)",
    re.IGNORECASE,
)
_EXPRESSION: Final = re.compile(rf"[-(\s]*{_NUMBER}[)\s]*(?:(?:\*\*|//|[-+*/%])[-(\s]*{_NUMBER}[)\s]*)+")


class DemoProvider:
    """Answers word by word, the same for the same prompt.

    Calls the tools `current_time` and `calculate`, if they are offered and the user asks for the
    time or a sum; otherwise repeats what the user said. `delay` is in seconds, between two pieces.
    """

    def __init__(self, *, delay: float = 0.03) -> None:
        self.name = "demo"
        self.default_model = "demo"
        self._delay = delay

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Delta], None]:
        """Answer `prompt`; never fails."""
        calls = _wanted_calls(prompt)
        pieces = list(_call_pieces(calls) if calls else _words(_reply(prompt)))
        for piece in pieces:
            yield [piece]
            await asyncio.sleep(self._delay)
        usage = TokenUsage(
            input_tokens=sum(len(message.content.split()) for message in prompt.messages),
            output_tokens=len(pieces),
        )
        yield [usage, Finish("tool_calls" if calls else "stop")]

    async def models(self) -> Sequence[str]:
        """The one model there is."""
        return [self.default_model]

    async def close(self) -> None:
        """Nothing to release."""


def _wanted_calls(prompt: Prompt) -> Sequence[ToolRequest]:
    last = prompt.messages[-1]
    if last.role != "user":
        return []
    arguments = {"current_time": _time_arguments(last.content), "calculate": _sum_arguments(last.content)}
    offered = {tool.name for tool in prompt.tools}
    # Ids go on from the calls of earlier turns, so that they differ within a conversation.
    first = sum(len(message.tool_calls) for message in prompt.messages)
    wanted = [(name, text) for name, text in arguments.items() if name in offered and text]
    return [ToolRequest(f"call_demo_{n}", name, text) for n, (name, text) in enumerate(wanted, first)]


def _time_arguments(question: str) -> str | None:
    if not _TIME.search(question):
        return None
    timezone = _TIMEZONE.search(question)
    return _json({"timezone": timezone[0] if timezone else "UTC"})


def _sum_arguments(question: str) -> str | None:
    numbers = _SUM.search(question)
    if numbers:
        return _json({"expression": " + ".join(re.findall(rf"-?{_NUMBER}", numbers[1]))})
    expression = _EXPRESSION.search(question)
    return _json({"expression": expression[0].strip()}) if expression else None


def _json(arguments: dict[str, str]) -> str:
    return msgspec.json.encode(arguments).decode()


def _call_pieces(calls: Sequence[ToolRequest]) -> Iterator[Delta]:
    for index, call in enumerate(calls):
        middle = len(call.arguments) // 2
        yield ToolCallBegin(index, call.id, call.name)
        yield ToolCallArguments(index, call.arguments[:middle])
        yield ToolCallArguments(index, call.arguments[middle:])


def _words(text: str) -> Iterator[Delta]:
    return (Text(word) for word in _WORD.findall(text))


def _reply(prompt: Prompt) -> str:
    results = list(takewhile(lambda message: message.role == "tool", reversed(prompt.messages)))
    if results:
        return _report(prompt, results[::-1])
    said = next((message.content for message in reversed(prompt.messages) if message.role == "user"), "")
    quote = said if len(said) <= _MAX_QUOTE_CHARACTERS else f"{said[:_MAX_QUOTE_CHARACTERS]}…"
    return (
        f'I am the demo provider, and no model is behind me. You said: "{quote}". '
        "Ask me for the time or a sum, or set OPENAI_API_KEY or OPENAI_BASE_URL to talk to a model."
    )


def _report(prompt: Prompt, results: Sequence[PromptMessage]) -> str:
    names = {call.id: call.name for message in prompt.messages for call in message.tool_calls}
    return " ".join(
        f"The tool {names.get(result.tool_call_id or '', 'that ran')} says: {result.content}."
        for result in results
    )
