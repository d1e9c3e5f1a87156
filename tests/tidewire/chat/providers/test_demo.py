"""The provider that needs no model."""

import asyncio
import json
from contextlib import aclosing

import pytest

from tests.tidewire.chat.providers.reading import Reading, read
from tidewire.chat.providers import (
    DemoProvider,
    Finish,
    Prompt,
    PromptMessage,
    Provider,
    Text,
    ToolCallArguments,
    ToolRequest,
    ToolSpec,
)

TOOLS = [ToolSpec(name, "", {"type": "object"}) for name in ("current_time", "calculate")]


def asked(question: str, tools: list[ToolSpec] = TOOLS) -> Prompt:
    return Prompt(model="demo", messages=[PromptMessage(role="user", content=question)], tools=tools)


async def reply(prompt: Prompt) -> Reading:
    return await read(DemoProvider(delay=0).stream(prompt))


async def test_it_repeats_what_was_said_word_by_word() -> None:
    reading = await reply(asked("Hello there"))
    words = [delta.content for delta in reading.deltas if isinstance(delta, Text)]
    assert len(words) > 10
    assert all(len(word.split()) == 1 for word in words)
    assert '"Hello there"' in reading.text
    assert "OPENAI_API_KEY" in reading.text
    assert reading.finish == Finish("stop")


async def test_it_is_deterministic() -> None:
    assert await reply(asked("What time is it? And 1 + 1?")) == await reply(
        asked("What time is it? And 1 + 1?")
    )


async def test_a_long_message_is_quoted_in_part() -> None:
    reading = await reply(asked("x" * 10_000))
    assert len(reading.text) < 1000


async def test_an_empty_message_is_answered() -> None:
    assert (await reply(asked(""))).finish == Finish("stop")


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What time is it?", [("current_time", {"timezone": "UTC"})]),
        ("Look at the clock in Europe/Berlin", [("current_time", {"timezone": "Europe/Berlin"})]),
        ("what is 12 * 3 + 4?", [("calculate", {"expression": "12 * 3 + 4"})]),
        ("(1 + 2) * -3 please", [("calculate", {"expression": "(1 + 2) * -3"})]),
        ("2**10", [("calculate", {"expression": "2**10"})]),
        ("add 2 and 3", [("calculate", {"expression": "2 + 3"})]),
        ("the sum of 1, 2.5 and -3", [("calculate", {"expression": "1 + 2.5 + -3"})]),
        (
            "What time is it, and what is 2 + 2?",
            [("current_time", {"timezone": "UTC"}), ("calculate", {"expression": "2 + 2"})],
        ),
        ("Sometimes I have 2 cats", []),
    ],
)
async def test_it_calls_the_tools_that_are_asked_for(
    question: str, expected: list[tuple[str, dict[str, str]]]
) -> None:
    reading = await reply(asked(question))
    assert [(name, json.loads(arguments)) for _, name, arguments in reading.calls] == expected
    assert reading.finish == Finish("tool_calls" if expected else "stop")


async def test_arguments_come_in_pieces() -> None:
    reading = await reply(asked("2 + 2"))
    assert sum(isinstance(delta, ToolCallArguments) for delta in reading.deltas) == 2


async def test_it_calls_no_tool_that_is_not_offered() -> None:
    assert (await reply(asked("What time is it?", tools=[]))).calls == []


async def test_it_reports_the_results_of_its_calls() -> None:
    messages = [
        PromptMessage(role="user", content="time and 2 + 2"),
        PromptMessage(
            role="assistant",
            content="",
            tool_calls=[ToolRequest("a", "current_time", "{}"), ToolRequest("b", "calculate", "{}")],
        ),
        PromptMessage(role="tool", content="12:00", tool_call_id="a"),
        PromptMessage(role="tool", content="Error: division by zero", tool_call_id="b"),
    ]
    reading = await reply(Prompt(model="demo", messages=messages, tools=TOOLS))
    assert reading.calls == []
    assert "current_time says: 12:00" in reading.text
    assert "calculate says: Error: division by zero" in reading.text
    assert reading.finish == Finish("stop")


async def test_ids_differ_within_a_conversation() -> None:
    earlier = [
        PromptMessage(role="user", content="1 + 1"),
        PromptMessage(
            role="assistant", content="", tool_calls=[ToolRequest("call_demo_0", "calculate", "{}")]
        ),
        PromptMessage(role="tool", content="2", tool_call_id="call_demo_0"),
        PromptMessage(role="assistant", content="It is 2."),
        PromptMessage(role="user", content="2 + 2"),
    ]
    calls = (await reply(Prompt(model="demo", messages=earlier, tools=TOOLS))).calls
    assert [call_id for call_id, _, _ in calls] == ["call_demo_1"]


async def test_usage_counts_words() -> None:
    reading = await reply(asked("one two three"))
    assert reading.usage is not None
    assert reading.usage.input_tokens == 3
    assert reading.usage.output_tokens == len(reading.text.split())


async def test_it_can_be_cancelled_between_words() -> None:
    async def first_word_then_wait() -> None:
        async with aclosing(DemoProvider(delay=3600).stream(asked("Hello"))) as answer:
            async for _ in answer:
                started.set()

    started = asyncio.Event()
    task = asyncio.create_task(first_word_then_wait())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_it_offers_one_model() -> None:
    provider: Provider = DemoProvider(delay=0)
    assert await provider.models() == [provider.default_model] == ["demo"]
    assert provider.name == "demo"
    await provider.close()
