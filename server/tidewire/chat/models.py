"""What the chat server stores and sends: conversations, messages and their parts."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

import msgspec

from tidewire_protocol.codes import ErrorCode

MessageStatus = Literal["streaming", "ok", "stopped", "error", "interrupted"]
"""`streaming` while its turn runs; then what the turn's `complete` said."""


class Wire(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Base of everything that goes to a client: camelCase, absent rather than null."""


class Usage(Wire, frozen=True, kw_only=True):
    """Tokens of one provider call, or of all calls of a turn."""

    input_tokens: int
    output_tokens: int
    reasoning_tokens: int | None = None
    cached_input_tokens: int | None = None
    estimated: bool
    """True when the provider did not tell, and the numbers are a guess from the text's length."""


class Failure(Wire, frozen=True, kw_only=True):
    """Why a turn ended in an error, in words a person may read."""

    code: ErrorCode
    message: str
    retryable: bool


class TextPart(Wire, frozen=True, kw_only=True, tag="text", tag_field="type"):
    """Answer text, between two rounds of tool calls."""

    content: str


class ReasoningPart(Wire, frozen=True, kw_only=True, tag="reasoning", tag_field="type"):
    """What the model thought aloud before it answered."""

    content: str


class RefusalPart(Wire, frozen=True, kw_only=True, tag="refusal", tag_field="type"):
    """Why the model declined."""

    content: str


class ToolCallPart(Wire, frozen=True, kw_only=True, tag="tool_call", tag_field="type"):
    """One tool call; `result` is there once `done` is."""

    tool_call_id: str
    tool_name: str
    round: int
    """Counts the provider calls of a turn from 0; calls of one round ran concurrently."""
    args: Any = None
    """The arguments as JSON, or the model's own text where that was not JSON."""
    result: Any = None
    is_error: bool = False
    done: bool = False
    duration_ms: int | None = None


Part = TextPart | ReasoningPart | RefusalPart | ToolCallPart


class Message(Wire, frozen=True, kw_only=True):
    """A user's message, or the answer to it."""

    id: str
    conversation_id: str
    turn_id: str
    role: Literal["user", "assistant"]
    status: MessageStatus
    content: str
    """All text parts, joined."""
    parts: list[Part]
    """What the message is made of, in the order in which it came."""
    created_at: datetime
    client_message_id: str | None = None
    model: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    error: Failure | None = None


def answer_among(messages: Iterable[Message]) -> Message | None:
    """The answer among the messages of a turn; None if it is gone."""
    return next((message for message in messages if message.role == "assistant"), None)


class Conversation(Wire, frozen=True, kw_only=True):
    """A list of messages with a title."""

    id: str
    title: str | None = None
    created_at: datetime
    updated_at: datetime
    """When it was last renamed or written in; lists are sorted by it, newest first."""
