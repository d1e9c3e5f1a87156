"""A provider's stream that ends too soon, at whichever byte, is never taken for an answer."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import pytest

from tests.upstream import DONE, Request, Script, Send, Step, Upstream, event, stream, usage_chunk
from tidewire.chat import Settings, ToolContext, tool
from tidewire.chat.answering import AnswerSettings
from tidewire.chat.events import Complete, Error, MessageEvent, ReasoningDelta, TextDelta, ToolCallStart
from tidewire.chat.providers import Prompt, PromptMessage, Provider, ProviderTruncatedError, Text
from tidewire.chat.server import ChatServer
from tidewire.chat.turns import Question

AT_ONCE: Final = 50


def piece(finish_reason: str | None = None, **delta: Any) -> Send:
    """A chunk of as few bytes as possible: each of them is a test."""
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})


def call(**function: str) -> list[dict[str, Any]]:
    """Of a delta: the beginning of a tool call, or a piece of its arguments."""
    begin = {"id": "call_1", "type": "function"} if "name" in function else {}
    return [{"index": 0, **begin, "function": function}]


REASONING: Final = ["Hm, ", "日本…"]
TEXT: Final = ["It is\u2028", "👩🏽‍🚀 ", "é\n"]
SPOKEN: Final = [
    piece(role="assistant", content=""),
    *(piece(reasoning_content=text) for text in REASONING),
    *(piece(content=text) for text in TEXT),
]
END: Final = usage_chunk({"prompt_tokens": 7, "completion_tokens": 5})
TEXT_STREAM: Final = stream(*SPOKEN, piece("stop"), END, DONE)
TOOL_STREAM: Final = stream(
    *SPOKEN,
    piece(tool_calls=call(name="look", arguments="")),
    *(piece(tool_calls=call(arguments=text)) for text in ('{"place":', '"Ō"}')),
    piece("tool_calls"),
    END,
    DONE,
)
ANSWER: Final = stream(piece(content="Found."), piece("stop"), DONE)

looked: list[str] = []
"""The conversations whose tool was run."""


@tool
async def look(ctx: ToolContext, place: str) -> str:
    """Look somewhere."""
    looked.append(ctx.conversation_id)
    return place


def proof_of(script: Script) -> tuple[int, int]:
    """Bytes up to which no end is proven, and from which it is: around the finish reason's blank line."""
    [finish] = [i for i, step in enumerate(script.steps) if _finishes(step)]
    ends = list(accumulate(len(step.data) for step in script.steps if isinstance(step, Send)))
    return ends[finish] - len(b"\n\n"), ends[finish]


def _finishes(step: Step) -> bool:
    return isinstance(step, Send) and any(
        b'"finish_reason":"%b"' % reason in step.data for reason in (b"stop", b"tool_calls")
    )


def whole_pieces(length: int, pieces: Sequence[str], field: str, script: Script) -> tuple[str, str]:
    """The least and the most of a text that a stream cut there holds: an event may lack its blank line."""
    least = most = ""
    ends = accumulate(len(step.data) for step in script.steps if isinstance(step, Send))
    texts = iter(pieces)
    for step, end in zip(script.steps, ends, strict=True):
        if isinstance(step, Send) and f'"{field}":'.encode() in step.data and b'"role"' not in step.data:
            text = next(texts)
            least += text if end <= length else ""
            most += text if end - len(b"\n\n") <= length else ""
    return least, most


def answers(request: Request) -> Script:
    """Cut the stream as the user's message says, and answer what comes after a tool."""
    messages = request.json["messages"]
    if messages[-1]["role"] == "tool":
        return ANSWER
    wish = json.loads(messages[-1]["content"])
    script = TOOL_STREAM if wish["tool"] else TEXT_STREAM
    if wish["clean"]:
        return Script([Send(script.body[: wish["length"]])])
    return script.cut_at(wish["length"])


@asynccontextmanager
async def chat_server(folder: Path) -> AsyncGenerator[ChatServer]:
    async with Upstream() as upstream:
        upstream.always(answers)
        settings = Settings(
            openai_api_key="key",
            openai_base_url=upstream.base_url,
            database_url=f"sqlite:///{folder / 'chat.db'}",
            max_retries=0,
        )
        chat = ChatServer(settings, tools=[look])
        async with chat.running():
            yield chat


async def ask(chat: ChatServer, **wish: object) -> tuple[str, list[MessageEvent]]:
    """Have a message answered in a conversation of its own; gives that, and the turn's events."""
    conversation = await chat.store.conversations.create("local")
    question = Question(
        owner="local",
        conversation_id=conversation.id,
        text=json.dumps(wish),
        client_message_id=None,
        settings=AnswerSettings(model="model", tools=chat.toolbox.specs(["look"])),
    )
    events = await chat.turns.stream(question, None)
    return conversation.id, [tracked.data async for tracked in events]


async def check_cut(chat: ChatServer, script: Script, length: int, *, clean: bool) -> None:
    """Cut the stream after so many bytes, and look at what became of the turn."""
    is_tool = script is TOOL_STREAM
    conversation, events = await ask(chat, length=length, clean=clean, tool=is_tool)
    complete = events[-1]
    assert isinstance(complete, Complete)
    assert sum(isinstance(event, Complete) for event in events) == 1
    unproven, proven = proof_of(script)
    if length < unproven:
        assert complete.status == "interrupted", length
    if length >= proven:
        assert complete.status == "ok", length
    cut_off = complete.status == "interrupted"
    assert any(isinstance(event, Error) for event in events) is cut_off
    assert (conversation in looked) is (is_tool and not cut_off), length

    text = "".join(event.content for event in events if isinstance(event, TextDelta))
    reasoning = "".join(event.content for event in events if isinstance(event, ReasoningDelta))
    answered = "Found." if is_tool and not cut_off else ""
    assert text.removesuffix(answered) in whole_pieces(length, TEXT, "content", script), length
    assert reasoning in whole_pieces(length, REASONING, "reasoning_content", script), length
    [_, message] = await chat.store.messages.history(conversation, limit=3)
    assert (message.status, message.content) == (complete.status, text)
    begun = [event for event in events if isinstance(event, ToolCallStart)]
    assert len(begun) == sum(part.__struct_config__.tag == "tool_call" for part in message.parts)


async def read_cut(provider: Provider, script: Script, length: int) -> None:
    """Cut the stream after so many bytes, and look at what the provider makes of it."""
    wish = json.dumps({"length": length, "clean": False, "tool": script is TOOL_STREAM})
    prompt = Prompt(model="model", messages=[PromptMessage(role="user", content=wish)])
    text = ""
    truncated = False
    try:
        async with aclosing(provider.stream(prompt)) as reads:
            async for deltas in reads:
                text += "".join(delta.content for delta in deltas if isinstance(delta, Text))
    except ProviderTruncatedError:
        truncated = True
    unproven, proven = proof_of(script)
    assert truncated or length >= unproven, length
    assert not truncated or length < proven, length
    assert text in whole_pieces(length, TEXT, "content", script), length


def at_once(checks: Iterable[Awaitable[None]]) -> Awaitable[object]:
    """Run checks, some at a time."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def run(check: Awaitable[None]) -> None:
        async with slots:
            await check

    return asyncio.gather(*map(run, checks))


async def test_a_provider_tells_a_stream_cut_at_any_byte_from_one_whose_end_was_proven(
    tmp_path: Path,
) -> None:
    lengths = range(len(TOOL_STREAM.body) + 1)
    async with chat_server(tmp_path) as chat:
        await at_once(read_cut(chat.provider, TOOL_STREAM, length) for length in lengths)


@pytest.mark.parametrize("clean", [False, True], ids=["dropped", "ended"])
@pytest.mark.parametrize("script", [TEXT_STREAM, TOOL_STREAM], ids=["text", "tool"])
async def test_a_turn_whose_stream_is_cut_keeps_its_text_and_is_never_ok(
    script: Script, clean: bool, tmp_path: Path
) -> None:
    ends = accumulate(len(step.data) for step in script.steps if isinstance(step, Send))
    # A turn costs much more than a stream: around each blank line, and in the middle of events.
    lengths = sorted({0, *(end - early for end in ends for early in (0, 1, 2, 3, 20))})
    async with chat_server(tmp_path) as chat:
        await at_once(check_cut(chat, script, length, clean=clean) for length in lengths)
