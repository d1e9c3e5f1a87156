"""A turn with everything in it: reasoning, text, two tools, text, and what it cost."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from tests.upstream import ROLE, Script, Send, Step, Wait, chunk, stream, text_answer, tool_answer

CALLS: Final = [
    ("call_1", "calculate", '{"expression":"6*7"}'),
    ("call_2", "calculate", '{"expression":"2+3"}'),
]
FIRST: Final = stream(
    ROLE,
    *[chunk({"reasoning_content": text}) for text in ("Two ", "sums. ")],
    *[chunk({"content": text}) for text in ("Let me ", "see 👀. ")],
    *tool_answer(CALLS).steps[1:],
)
SECOND: Final = text_answer("It is 42 and 5.")

TYPES: Final = (
    ["start", "title"]
    + ["reasoning_delta"] * 2
    + ["text_delta"] * 2
    + ["tool_call_start", "tool_call_delta", "tool_call_delta"] * 2
    + ["usage"]
    + ["tool_call_complete"] * 2
    + ["text_delta"] * 5
    + ["usage", "complete"]
)
"""Of its events."""
ROUNDS: Final = 2
"""Of the provider."""
TEXT: Final = "Let me see 👀. It is 42 and 5."


class Story:
    """The provider's answers of one such turn.

    Args:
        paced: whether each piece waits until `heard` was called often enough, so that there is never
            more than the reader has asked for; otherwise all comes at once.
        silent: events that come before the provider is asked.
    """

    def __init__(self, *, paced: bool, silent: int = 2) -> None:
        self._gates: list[asyncio.Event] = []
        self._heard = -silent
        self.scripts: Sequence[Script] = [FIRST, SECOND]
        if paced:
            self.scripts = [stream(*self._paced(script.steps)) for script in self.scripts]

    def _paced(self, steps: Iterable[Step]) -> Iterable[Step]:
        for step in steps:
            if is_told(step):
                self._gates.append(asyncio.Event())
                yield Wait(self._gates[-1])
            yield step

    def heard(self) -> None:
        """Take note that a reader has seen another event, and let the next piece come."""
        self._heard += 1
        for gate in self._gates[: self._heard + 1]:
            gate.set()

    def release(self) -> None:
        """Let everything come."""
        for gate in self._gates:
            gate.set()


def is_told(step: Step) -> bool:
    """Whether readers see an event of it."""
    return isinstance(step, Send) and any(
        mark in step.data for mark in (b'"reasoning_content"', b'{"content":"', b'"tool_calls":[')
    )
