"""What a turn tells its readers: the MessageEvent union, tagged by `type`."""

from typing import Any, Literal, Self

from tidewire_protocol.codes import ErrorCode

from .models import Message, Usage, Wire

TurnOutcome = Literal["ok", "stopped", "error", "interrupted"]


class Event(Wire, frozen=True, kw_only=True, tag_field="type"):
    """Base of all events; never sent itself."""


class Start(Event, frozen=True, kw_only=True, tag="start"):
    """The first event of a turn."""

    turn_id: str
    message_id: str
    """The answer's id."""
    user_message_id: str
    client_message_id: str | None = None
    model: str


class TextDelta(Event, frozen=True, kw_only=True, tag="text_delta"):
    """A piece of the answer."""

    content: str


class ReasoningDelta(Event, frozen=True, kw_only=True, tag="reasoning_delta"):
    """A piece of what the model thinks aloud."""

    content: str


class RefusalDelta(Event, frozen=True, kw_only=True, tag="refusal_delta"):
    """A piece of why the model declines."""

    content: str


class ToolCallStart(Event, frozen=True, kw_only=True, tag="tool_call_start"):
    """The model begins to write a tool call."""

    tool_call_id: str
    tool_name: str
    index: int
    """Position among the calls of its round, from 0."""


class ToolCallDelta(Event, frozen=True, kw_only=True, tag="tool_call_delta"):
    """A piece of a tool call's arguments, as the model writes them."""

    tool_call_id: str
    args_delta: str


class ToolCallComplete(Event, frozen=True, kw_only=True, tag="tool_call_complete"):
    """A tool has run; sent the moment its result is there."""

    tool_call_id: str
    tool_name: str
    args: Any
    result: Any
    is_error: bool
    duration_ms: int


class UsageReport(Event, frozen=True, kw_only=True, tag="usage"):
    """Tokens of one provider call."""

    input_tokens: int
    output_tokens: int
    reasoning_tokens: int | None = None
    cached_input_tokens: int | None = None
    estimated: bool


class Title(Event, frozen=True, kw_only=True, tag="title"):
    """The conversation got a title."""

    title: str


class Snapshot(Event, frozen=True, kw_only=True, tag="snapshot"):
    """The answer as a whole, for a reader that comes back too late for its single events."""

    message: Message
    up_to: str
    """The id of the last event that the snapshot holds."""


class Error(Event, frozen=True, kw_only=True, tag="error"):
    """Why the turn failed; `complete` follows."""

    code: ErrorCode
    message: str
    retryable: bool


class Stopped(Event, frozen=True, kw_only=True, tag="stopped"):
    """Somebody stopped the turn; `complete` follows."""

    by: str


class Complete(Event, frozen=True, kw_only=True, tag="complete"):
    """The last event of every turn, and the only terminal one."""

    message_id: str
    status: TurnOutcome
    finish_reason: str | None = None
    usage: Usage | None = None

    @classmethod
    def of(cls, answer: Message) -> Self:
        """What is to be said of an answer that has ended."""
        assert answer.status != "streaming"
        return cls(
            message_id=answer.id, status=answer.status, finish_reason=answer.finish_reason, usage=answer.usage
        )


MessageEvent = (
    Start
    | TextDelta
    | ReasoningDelta
    | RefusalDelta
    | ToolCallStart
    | ToolCallDelta
    | ToolCallComplete
    | UsageReport
    | Title
    | Snapshot
    | Error
    | Stopped
    | Complete
)
