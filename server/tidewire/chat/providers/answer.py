"""One answer: folds a response's events into deltas, and knows whether it is whole."""

from typing import Any, Final

from . import chunks, failures
from .base import Delta, Finish, ProviderError, ProviderTruncatedError, Reasoning, Refusal, Text, TokenUsage
from .body import Body
from .chunks import Choice, Chunk, MessagePiece
from .event_stream import ServerEvent
from .failures import Failure
from .tool_calls import ToolCalls

# What some servers send in every chunk where OpenAI sends null.
_NO_REASON: Final = frozenset({"", "null"})


class Answer:
    """Reads the events of one response.

    The answer is whole once the server said so: by `[DONE]`, by a finish reason, by a usage chunk
    without choices, or by sending it as one object. Usage beside choices proves nothing, as some
    servers send it with every token.
    """

    def __init__(self, request_id: str = "") -> None:
        self.done: bool = False
        """`[DONE]` has come; nothing after it counts."""
        self._request_id = request_id
        self._recognised = False
        self._cut = False
        self._ended_by_usage = False
        self._streamed = False
        self._finish_reason: str | None = None
        self._usage: TokenUsage | None = None
        self._tool_calls = ToolCalls()

    def take(self, event: ServerEvent, deltas: list[Delta], *, cut: bool = False) -> None:
        """Fold one event into `deltas`; `cut` says that the body ended in it, so that it may be unreadable.

        Raises:
            ProviderError: the event reports an error, or is unreadable; what it says besides is in `deltas`.
        """
        data = event.data.strip()
        if not data or self.done:
            return
        if data == b"[DONE]":
            self.done = True
            return
        try:
            chunk = chunks.decode(data)
        except (ValueError, RecursionError) as error:
            if not cut:
                failure = failures.BROKEN if event.name == b"error" else failures.GARBLED
                raise self._failed(failure, f"{error}: {data!r}") from None
            self._cut = True
            return
        self._fold(chunk, deltas)
        if event.name == b"error" or chunk.object == "error":
            # The event itself is the error object: vLLM's form, and that of some proxies.
            raise self._error(
                {"message": data.decode(errors="replace"), "code": chunk.code, "type": chunk.type}
            )

    def end(self, broken: ProviderError | None, body: Body) -> list[Delta]:
        """Close the answer: its last deltas, usage and `Finish`, if it is whole.

        `broken` is what ended the body other than its own end.

        Raises:
            ProviderTruncatedError: the answer is not whole.
            ProviderError: it is no answer, or one that the server gave up; or `broken`.
        """
        sent_as_one = body.whole and self._recognised
        if not (self.done or self._finish_reason or self._ended_by_usage or sent_as_one):
            raise broken or self._incomplete(body)
        if not self._recognised:
            raise self._failed(failures.NOT_A_STREAM, "There were no chunks.")
        failed = failures.FAILED_FINISHES.get(self._finish_reason or "")
        if failed:
            raise self._failed(failed, f"The finish reason is {self._finish_reason}.")
        usage = [self._usage] if self._usage else []
        return [*self._tool_calls.end(), *usage, Finish(self._finish_reason)]

    def _incomplete(self, body: Body) -> ProviderError:
        if body.foreign and not (self._recognised or self._cut):
            return self._failed(failures.NOT_A_STREAM, "The body is not an event stream.")
        return self._failed(failures.TRUNCATED, "The body ended without an end mark.", ProviderTruncatedError)

    def _fold(self, chunk: Chunk, deltas: list[Delta]) -> None:
        if chunk.choices:
            for choice in chunk.choices:
                self._choose(choice, deltas)
        usage = chunks.usage_of(chunk)
        self._usage = usage or self._usage
        self._ended_by_usage = usage is not None and not chunk.choices
        self._recognised |= chunk.choices is not None
        report = chunk.error or (chunk.x_groq and chunks.groq_of(chunk).error)
        if report:
            raise self._error(report)

    def _choose(self, choice: Choice, deltas: list[Delta]) -> None:
        if choice.index not in (0, None, "0"):
            return
        if isinstance(choice.finish_reason, str) and choice.finish_reason not in _NO_REASON:
            self._finish_reason = choice.finish_reason
        self._read(choice, deltas)
        if choice.error:
            raise self._error(choice.error)

    def _read(self, choice: Choice, deltas: list[Delta]) -> None:
        if choice.delta is not None:
            before = len(deltas)
            self._add(choice.delta, deltas)
            self._streamed |= len(deltas) > before
        # Perplexity sends the whole message so far beside every delta.
        elif choice.message is not None and not self._streamed:
            self._add(choice.message, deltas)

    def _add(self, piece: MessagePiece, deltas: list[Delta]) -> None:
        reasoning = chunks.reasoning_of(piece)
        if reasoning:
            deltas.append(Reasoning(reasoning))
        text = chunks.text_of(piece.content)
        if text:
            deltas.append(Text(text))
        if isinstance(piece.refusal, str) and piece.refusal:
            deltas.append(Refusal(piece.refusal))
        if piece.tool_calls:
            deltas.extend(self._tool_calls.take(piece.tool_calls))

    def _error(self, report: Any) -> ProviderError:
        return self._failed(failures.of_report(report), failures.text_of(report))

    def _failed(
        self, failure: Failure, detail: str, kind: type[ProviderError] = ProviderError
    ) -> ProviderError:
        return failure.error(f"Request {self._request_id}: {detail}", kind)
