"""The interface to a language model: one request in, a stream of deltas out."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Literal, Protocol

import msgspec

from tidewire_protocol.codes import ErrorCode


class ToolRequest(msgspec.Struct, frozen=True):
    """A tool call as the model wrote it."""

    id: str
    name: str
    arguments: str
    """The exact text; it need not be JSON."""


class PromptMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the prompt."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: Sequence[ToolRequest] = ()
    """What the assistant asked for, in its order; the answers follow as `tool` messages."""
    tool_call_id: str | None = None
    """Which call a `tool` message answers."""


class ToolSpec(msgspec.Struct, frozen=True):
    """A tool the model may call."""

    name: str
    description: str
    parameters: dict[str, Any]
    """JSON schema of an object."""


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """One provider call."""

    model: str
    messages: Sequence[PromptMessage]
    tools: Sequence[ToolSpec] = ()
    temperature: float | None = None
    max_output_tokens: int | None = None


class Text(msgspec.Struct, frozen=True):
    """A piece of the answer; never empty."""

    content: str


class Reasoning(msgspec.Struct, frozen=True):
    """A piece of the model's reasoning; never empty."""

    content: str


class Refusal(msgspec.Struct, frozen=True):
    """A piece of a refusal; never empty."""

    content: str


class ToolCallBegin(msgspec.Struct, frozen=True):
    """A tool call appears. Comes once for each, before its arguments."""

    index: int
    """Position among the calls of this answer, from 0 without gaps."""
    id: str
    """Unique within the answer, made up where the provider sent none."""
    name: str


class ToolCallArguments(msgspec.Struct, frozen=True):
    """A piece of a tool call's arguments; never empty."""

    index: int
    delta: str


class TokenUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What the call cost; comes at most once."""

    input_tokens: int
    output_tokens: int
    reasoning_tokens: int | None = None
    cached_input_tokens: int | None = None


class Finish(msgspec.Struct, frozen=True):
    """The provider said that the answer is whole. Comes once, last, or the stream raises."""

    reason: str | None
    """The provider's own word (`stop`, `length`, `tool_calls`, …), if it gave one."""


Delta = Text | Reasoning | Refusal | ToolCallBegin | ToolCallArguments | TokenUsage | Finish


class ProviderError(Exception):
    """The provider failed, in a way a person may be told.

    `str(error)` and `detail` go to the log; only `message` goes to a client.
    """

    def __init__(self, code: ErrorCode, message: str, *, retryable: bool, detail: str = "") -> None:
        super().__init__(f"{message} {detail}".strip())
        self.code: ErrorCode = code
        self.message = message
        self.retryable = retryable
        self.detail = detail


class ProviderTruncatedError(ProviderError):
    """The stream ended without proof that the answer is whole."""


class Provider(Protocol):
    """A source of answers."""

    @property
    def name(self) -> str:
        """A short word for logs and the start-up line."""
        ...

    @property
    def default_model(self) -> str:
        """The model used when a request names none."""
        ...

    def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Delta], None]:
        """Answer `prompt`, with all deltas that have come at once in one sequence; none is empty.

        Closing or cancelling the generator closes the upstream request.

        Raises:
            ProviderError: the provider refused, failed or broke off.
        """
        ...

    async def models(self) -> Sequence[str]:
        """What can be asked for as `Prompt.model`, the default first.

        Raises:
            ProviderError: the provider could not be asked.
        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
