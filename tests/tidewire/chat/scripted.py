"""A provider that says exactly what a test tells it to, without a wire in between."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Final

from tidewire.chat.providers import (
    Delta,
    Finish,
    Prompt,
    Text,
    TokenUsage,
    ToolCallArguments,
    ToolCallBegin,
)

WAIT_SECONDS: Final = 10.0
"""How long anything awaited in these tests may take before the test fails."""

Step = Delta | asyncio.Event | Exception
"""A piece of the answer, a gate to wait at, or how the stream breaks."""

USAGE: Final = TokenUsage(input_tokens=7, output_tokens=5)
STOP: Final = Finish("stop")


def text(words: str) -> list[Step]:
    """A whole answer: one piece for each word, with the blank after it."""
    pieces = words.split(" ")
    return [*(Text(f"{piece} ") for piece in pieces[:-1]), Text(pieces[-1]), USAGE, STOP]


def calls(*wanted: tuple[str, str, str]) -> list[Step]:
    """A whole answer that consists of tool calls, as (id, name, arguments)."""
    steps: list[Step] = []
    for index, (call_id, name, arguments) in enumerate(wanted):
        steps.append(ToolCallBegin(index, call_id, name))
        steps += [ToolCallArguments(index, arguments)] if arguments else []
    return [*steps, USAGE, Finish("tool_calls")]


class ScriptedProvider:
    """Gives the next script of its queue to each call, and nothing but an end when there is none."""

    name = "scripted"
    default_model = "scripted-1"

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []
        """What was asked, in order."""
        self.open_streams = 0
        self.closed = False
        self.models_error: Exception | None = None
        self.waiting = asyncio.Event()
        """A stream has come to a gate."""
        self._scripts: deque[Sequence[Step]] = deque()

    def script(self, *scripts: Iterable[Step]) -> None:
        """Queue answers, one for each of the next calls."""
        self._scripts.extend(list(script) for script in scripts)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Delta], None]:
        self.prompts.append(prompt)
        self.open_streams += 1
        try:
            for step in self._scripts.popleft() if self._scripts else [STOP]:
                if isinstance(step, asyncio.Event):
                    self.waiting.set()
                    await step.wait()
                elif isinstance(step, Exception):
                    raise step
                else:
                    yield [step]
        finally:
            self.open_streams -= 1

    async def models(self) -> Sequence[str]:
        if self.models_error is not None:
            raise self.models_error
        return [self.default_model, "scripted-2"]

    async def close(self) -> None:
        self.closed = True
