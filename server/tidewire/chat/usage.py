"""Counting tokens."""

from collections.abc import Iterable, Sequence

from .models import Usage
from .providers.base import Prompt

CHARACTERS_PER_TOKEN = 4
"""OpenAI's rule of thumb for English; good enough for a number that says it is estimated."""


def estimate(prompt: Prompt, output_characters: int) -> Usage:
    """Guess what a provider call cost whose provider did not tell."""
    characters = sum(
        len(message.content) + sum(len(call.arguments) for call in message.tool_calls)
        for message in prompt.messages
    )
    return Usage(input_tokens=_tokens(characters), output_tokens=_tokens(output_characters), estimated=True)


def total(usages: Sequence[Usage]) -> Usage | None:
    """Add up the calls of a turn; None before the first."""
    if not usages:
        return None
    return Usage(
        input_tokens=sum(usage.input_tokens for usage in usages),
        output_tokens=sum(usage.output_tokens for usage in usages),
        reasoning_tokens=_known_sum(usage.reasoning_tokens for usage in usages),
        cached_input_tokens=_known_sum(usage.cached_input_tokens for usage in usages),
        estimated=any(usage.estimated for usage in usages),
    )


def _known_sum(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _tokens(characters: int) -> int:
    return -(-characters // CHARACTERS_PER_TOKEN)
