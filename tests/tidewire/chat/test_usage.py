"""Counting tokens, told by the provider or guessed."""

import pytest

from tidewire.chat.models import Usage
from tidewire.chat.providers import Prompt, PromptMessage, ToolRequest
from tidewire.chat.usage import estimate, total


def told(inputs: int, outputs: int, **more: int | None) -> Usage:
    return Usage(input_tokens=inputs, output_tokens=outputs, estimated=False, **more)


@pytest.mark.parametrize(("characters", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2), (400, 100)])
def test_an_estimate_counts_four_characters_as_a_token(characters: int, tokens: int) -> None:
    prompt = Prompt(model="m", messages=[PromptMessage(role="user", content="x" * characters)])
    expected = Usage(input_tokens=tokens, output_tokens=tokens, estimated=True)
    assert estimate(prompt, characters) == expected


def test_an_estimate_counts_all_messages_and_the_arguments_of_tool_calls() -> None:
    call = ToolRequest("call_1", "f", "12345678")
    prompt = Prompt(
        model="m",
        messages=[
            PromptMessage(role="system", content="1234"),
            PromptMessage(role="assistant", content="", tool_calls=[call, call]),
            PromptMessage(role="tool", content="1234", tool_call_id="call_1"),
        ],
    )
    assert estimate(prompt, 0).input_tokens == 6


@pytest.mark.parametrize(
    ("usages", "expected"),
    [
        ([], None),
        ([told(1, 2)], told(1, 2)),
        ([told(1, 2, reasoning_tokens=3), told(10, 20)], told(11, 22, reasoning_tokens=3)),
        (
            [told(1, 1, cached_input_tokens=0), told(1, 1, cached_input_tokens=5)],
            told(2, 2, cached_input_tokens=5),
        ),
        (
            [told(1, 2), Usage(input_tokens=3, output_tokens=4, estimated=True)],
            Usage(input_tokens=4, output_tokens=6, estimated=True),
        ),
    ],
    ids=["no call", "one", "known numbers only", "zero is known", "one guess makes a guess"],
)
def test_the_calls_of_a_turn_add_up(usages: list[Usage], expected: Usage | None) -> None:
    assert total(usages) == expected
