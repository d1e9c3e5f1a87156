"""The chunks of a streamed chat completion, as far as we read them.

Every field may be absent, and a field that is `Any` may hold anything: compatible servers differ
in all of them, and one odd field must not cost the answer. A shape is only refused where there is
no way to tell what was meant.
"""

import json
from typing import Any, Final, TypeGuard, cast

import msgspec

from ..unicode import repaired
from .base import TokenUsage


class _Part(msgspec.Struct, frozen=True, gc=False):
    """Base: built once a token and dropped at once, so not worth the garbage collector's time."""


class FunctionPiece(_Part, frozen=True, gc=False):
    """What a tool call calls, or a piece of it."""

    name: Any = None
    arguments: Any = None


class ToolCallPiece(_Part, frozen=True, gc=False):
    """A tool call, or a piece of one."""

    index: Any = None
    id: Any = None
    function: FunctionPiece | None = None


class MessagePiece(_Part, frozen=True, gc=False):
    """A `delta`, or a whole `message`."""

    content: Any = None
    refusal: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    tool_calls: list[ToolCallPiece] | None = None


class Choice(_Part, frozen=True, gc=False):
    """One of the answers; we ask for one only."""

    index: Any = 0
    delta: MessagePiece | None = None
    message: MessagePiece | None = None
    finish_reason: Any = None
    error: Any = None


class Chunk(_Part, frozen=True, gc=False):
    """One event's data, or a whole completion."""

    choices: list[Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw()
    x_groq: msgspec.Raw = msgspec.Raw()
    error: Any = None
    object: Any = None
    code: Any = None
    type: Any = None


class _InputDetails(_Part, frozen=True, gc=False):
    cached_tokens: int | None = None


class _OutputDetails(_Part, frozen=True, gc=False):
    reasoning_tokens: int | None = None


class _Usage(_Part, frozen=True, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None


class _Groq(_Part, frozen=True, gc=False):
    usage: msgspec.Raw = msgspec.Raw()
    error: Any = None


_CHUNK: Final = msgspec.json.Decoder(Chunk)
_USAGE: Final = msgspec.json.Decoder(_Usage | None, strict=False)
_GROQ: Final = msgspec.json.Decoder(_Groq | None)


def decode(data: bytes) -> Chunk:
    """Read one event's data.

    Raises:
        ValueError: it is not JSON, or not a completion's.
        RecursionError: it is nested too deep.
    """
    try:
        return _CHUNK.decode(data)
    except msgspec.ValidationError:
        raise
    except ValueError:
        return _CHUNK.decode(_mended(data))


def usage_of(chunk: Chunk) -> TokenUsage | None:
    """The usage that a chunk reports; an unreadable report counts as none."""
    # Most servers send `null` with every token.
    if len(chunk.usage) <= len(b"null") and not chunk.x_groq:
        return None
    return _usage(chunk.usage) or _usage(groq_of(chunk).usage)


def groq_of(chunk: Chunk) -> _Groq:
    """Groq's own field of a chunk: it may hold the usage, and the error that ended the answer."""
    try:
        return _GROQ.decode(chunk.x_groq or b"null") or _Groq()
    except ValueError:
        return _Groq()


def _usage(report: bytes) -> TokenUsage | None:
    try:
        usage = _USAGE.decode(report or b"null")
    except ValueError:
        return None
    if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    return TokenUsage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        reasoning_tokens=(usage.completion_tokens_details or _OutputDetails()).reasoning_tokens,
        cached_input_tokens=(usage.prompt_tokens_details or _InputDetails()).cached_tokens,
    )


def text_of(content: object) -> str:
    """The text of a string, or of a list of parts (Mistral's form)."""
    if isinstance(content, str):
        return content
    return "".join(_part_text(part, "text") for part in content) if _is_list(content) else ""


def reasoning_of(piece: MessagePiece) -> str:
    """The piece of reasoning in a delta.

    OpenRouter and others send the same piece in two or three fields, so the first that has any counts.
    """
    if isinstance(piece.content, str) and not (
        piece.reasoning_content or piece.reasoning or piece.reasoning_details
    ):
        return ""
    for value in (piece.reasoning_content, piece.reasoning):
        if value and isinstance(value, str):
            return value
    if piece.reasoning_details and _is_list(piece.reasoning_details):
        details = piece.reasoning_details
        return "".join(_part_text(part, "text") or _part_text(part, "summary") for part in details)
    if _is_list(piece.content):
        return "".join(_part_text(part, "thinking") for part in piece.content)
    return ""


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _part_text(part: object, key: str) -> str:
    if isinstance(part, str):
        return part if key == "text" else ""
    value = cast("dict[str, Any]", part).get(key) if isinstance(part, dict) else None
    return text_of(value)


def _mended(data: bytes) -> bytes:
    """The same JSON in strict form: no NaN, no half of a surrogate pair, no broken UTF-8.

    JavaScript proxies that cut text into pieces send such halves, Python ones NaN.
    """
    value = json.loads(data.decode("utf-8", "replace"))
    return msgspec.json.encode(json.loads(repaired(json.dumps(value, ensure_ascii=False))))
