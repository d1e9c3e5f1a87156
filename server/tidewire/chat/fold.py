"""Folds a turn's events into the message they describe."""

from typing import Any, Final

import msgspec

from .events import (
    MessageEvent,
    ReasoningDelta,
    RefusalDelta,
    Snapshot,
    TextDelta,
    ToolCallComplete,
    ToolCallDelta,
    ToolCallStart,
    UsageReport,
)
from .models import Message, Part, ReasoningPart, RefusalPart, TextPart, ToolCallPart
from .sendable import sendable

TOOL_CUT_OFF: Final = "The tool was cut off before it answered; what it does may have been done."
"""Stands for the result of a tool that had begun to run."""

_TEXTS: dict[type, type[TextPart] | type[ReasoningPart] | type[RefusalPart]] = {
    TextDelta: TextPart,
    ReasoningDelta: ReasoningPart,
    RefusalDelta: RefusalPart,
}


class _Draft(msgspec.Struct):
    """A part in the making: text that still grows, or a tool call."""

    kind: type[TextPart] | type[ReasoningPart] | type[RefusalPart] | None
    pieces: list[str]
    call: ToolCallPart | None = None

    def finished(self) -> Part:
        if self.call is not None:
            return (
                self.call
                if self.call.done
                else msgspec.structs.replace(self.call, args=_partial(self.pieces))
            )
        assert self.kind is not None
        return self.kind(content="".join(self.pieces))


class Fold:
    """The parts of an answer as far as its events have come.

    Text that follows text of the same kind continues it; a tool call stands where it began. Each provider
    call ends with its usage, and with it a round. A snapshot replaces all that came before it.
    """

    def __init__(self) -> None:
        self._round = 0
        self._drafts: list[_Draft] = []
        self._calls: dict[str, _Draft] = {}
        self._is_resumed = False

    def apply(self, event: MessageEvent) -> None:
        """Take the next event. Events that say nothing about the content change nothing."""
        match event:
            case TextDelta() | ReasoningDelta() | RefusalDelta():
                self._grow(_TEXTS[type(event)], event.content)
            case ToolCallStart():
                self._begin(event)
            case ToolCallDelta():
                self._calls[event.tool_call_id].pieces.append(event.args_delta)
            case ToolCallComplete():
                self._complete(event)
            case UsageReport():
                self._round += 1
            case Snapshot():
                self._resume(event.message)
            case _:
                pass

    @property
    def parts(self) -> list[Part]:
        """The parts in the order in which they began."""
        return [draft.finished() for draft in self._drafts]

    @property
    def content(self) -> str:
        """All text, without reasoning and refusals."""
        return "".join("".join(draft.pieces) for draft in self._drafts if draft.kind is TextPart)

    def cut_off(self, tool_call_id: str) -> ToolCallComplete:
        """What is to be said of a tool that had begun to run, and will give no result."""
        draft = self._calls[tool_call_id]
        assert draft.call is not None
        return ToolCallComplete(
            tool_call_id=tool_call_id,
            tool_name=draft.call.tool_name,
            args=_partial(draft.pieces),
            result=TOOL_CUT_OFF,
            is_error=True,
            duration_ms=0,
        )

    def _grow(self, kind: type[TextPart] | type[ReasoningPart] | type[RefusalPart], content: str) -> None:
        if not self._drafts or self._drafts[-1].kind is not kind:
            self._drafts.append(_Draft(kind, []))
        self._drafts[-1].pieces.append(content)

    def _begin(self, event: ToolCallStart) -> None:
        call = ToolCallPart(tool_call_id=event.tool_call_id, tool_name=event.tool_name, round=self._round)
        draft = _Draft(None, [], call)
        self._drafts.append(draft)
        self._calls[event.tool_call_id] = draft

    def _resume(self, message: Message) -> None:
        self._round, self._drafts, self._calls = 0, [], {}
        self._is_resumed = True
        for part in message.parts:
            if isinstance(part, ToolCallPart):
                draft = self._calls[part.tool_call_id] = _Draft(None, _written(part.args), part)
                self._round = max(self._round, part.round + 1 if part.done else part.round)
            else:
                draft = _Draft(type(part), [part.content])
            self._drafts.append(draft)

    def _complete(self, event: ToolCallComplete) -> None:
        draft = self._calls[event.tool_call_id]
        assert draft.call is not None
        if self._is_resumed:
            # A tool runs once its provider call has ended, perhaps before the snapshot.
            self._round = max(self._round, draft.call.round + 1)
        draft.call = msgspec.structs.replace(
            draft.call,
            args=event.args,
            result=event.result,
            is_error=event.is_error,
            done=True,
            duration_ms=event.duration_ms,
        )


def _partial(pieces: list[str]) -> Any:
    """The arguments of a call that was cut off: JSON if it is whole, else the text so far."""
    text = "".join(pieces)
    try:
        return sendable(msgspec.json.decode(text))
    except (ValueError, RecursionError):
        return text or None


def _written(args: Any) -> list[str]:
    """What was written of arguments that have been decoded since."""
    if args is None:
        return []
    return [args if isinstance(args, str) else msgspec.json.encode(args).decode()]
