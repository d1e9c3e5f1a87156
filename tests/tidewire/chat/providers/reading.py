"""Reads an answer to its end, whatever the end is."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tidewire.chat.providers import (
    Delta,
    Finish,
    Prompt,
    PromptMessage,
    ProviderError,
    Reasoning,
    Refusal,
    Text,
    TokenUsage,
    ToolCallArguments,
    ToolCallBegin,
)

HELLO = Prompt(model="some-model", messages=[PromptMessage(role="user", content="Hello")])


@dataclass
class Reading:
    """What came, and the error that ended it."""

    deltas: list[Delta]
    error: ProviderError | None

    @property
    def text(self) -> str:
        return "".join(delta.content for delta in self.deltas if isinstance(delta, Text))

    @property
    def reasoning(self) -> str:
        return "".join(delta.content for delta in self.deltas if isinstance(delta, Reasoning))

    @property
    def refusal(self) -> str:
        return "".join(delta.content for delta in self.deltas if isinstance(delta, Refusal))

    @property
    def calls(self) -> list[tuple[str, str, str]]:
        """Tool calls as (id, name, arguments); fails on arguments of a call that has not begun."""
        found: list[list[str]] = []
        for delta in self.deltas:
            if isinstance(delta, ToolCallBegin):
                found.extend([] for _ in range(delta.index + 1 - len(found)))
                assert not found[delta.index], "A call began twice."
                found[delta.index] = [delta.id, delta.name, ""]
            elif isinstance(delta, ToolCallArguments):
                assert delta.delta
                found[delta.index][2] += delta.delta
        return [(call_id, name, arguments) for call_id, name, arguments in found]

    @property
    def usage(self) -> TokenUsage | None:
        usages = [delta for delta in self.deltas if isinstance(delta, TokenUsage)]
        assert len(usages) <= 1
        return usages[0] if usages else None

    @property
    def finish(self) -> Finish | None:
        """The `Finish`; fails unless it is the last delta, and comes with no error."""
        finishes = [delta for delta in self.deltas if isinstance(delta, Finish)]
        if not finishes:
            return None
        assert self.deltas[-1:] == finishes
        assert self.error is None
        return finishes[0]


async def read(answer: AsyncIterator[Sequence[Delta]]) -> Reading:
    reading = Reading([], None)
    try:
        async for deltas in answer:
            assert deltas
            reading.deltas.extend(deltas)
    except ProviderError as error:
        reading.error = error
    return reading


def read_all(deltas: Iterable[Delta] | Iterator[Delta]) -> Reading:
    """The same for what needs no waiting."""
    reading = Reading([], None)
    try:
        reading.deltas.extend(deltas)
    except ProviderError as error:
        reading.error = error
    return reading
