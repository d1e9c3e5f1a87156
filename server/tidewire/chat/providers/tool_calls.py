"""Streamed tool calls, brought into one form whatever the server's habits."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import msgspec

from . import failures
from .base import ToolCallArguments, ToolCallBegin
from .chunks import FunctionPiece, ToolCallPiece

MAX_CALLS: Final = 512
"""Of one answer: eight times what is ever run of a round."""

MAX_ARGUMENTS: Final = 8 << 20
"""Characters of all calls' arguments together, those of calls without a name included."""

_NO_FUNCTION = FunctionPiece()


@dataclass(slots=True)
class _Call:
    position: int
    index: int
    """The server's index; the position if it sent none."""
    sent_id: str
    """The server's id; empty if it sent none."""
    id: str
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])


class ToolCalls:
    """Sorts the pieces of one answer's tool calls to their calls.

    Known habits: index missing, a string, or 0 for every call; an id only in the first piece, in
    every piece, empty after the first, the same for several calls, new in every piece, or none at
    all; the name repeated; arguments whole, as an object, or null.

    The name of a call is the first one sent: a name that comes in parts is known of no server.
    """

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._size = 0

    def take(self, pieces: Iterable[ToolCallPiece]) -> Iterator[ToolCallBegin | ToolCallArguments]:
        """Add pieces in their order. A call begins as soon as its name is known.

        Raises:
            ProviderError: there are too many, or too much is in them.
        """
        for piece in pieces:
            function = piece.function or _NO_FUNCTION
            yield from self._add(
                _index(piece.index), _word(piece.id), _word(function.name), _text(function.arguments)
            )

    def end(self) -> Iterator[ToolCallBegin | ToolCallArguments]:
        """Begin the calls that never got a name, with an empty one."""
        for call in self._calls:
            if not call.name:
                yield from _begin(call)

    def _add(
        self, index: int | None, sent_id: str, name: str, arguments: str
    ) -> Iterator[ToolCallBegin | ToolCallArguments]:
        call = self._find(index, sent_id)
        if call is None or _is_another(call, sent_id, name, arguments):
            call = self._new(index, sent_id)
        self._size += len(arguments)
        if self._size > MAX_ARGUMENTS or len(self._calls) > MAX_CALLS:
            raise failures.OVERSIZED.error(f"{len(self._calls)} tool calls have {self._size} characters.")
        if arguments:
            call.arguments.append(arguments)
        if name and not call.name:
            call.name = name
            yield from _begin(call)
        elif call.name and arguments:
            yield ToolCallArguments(call.position, arguments)

    def _find(self, index: int | None, sent_id: str) -> _Call | None:
        here = [call for call in self._calls if index is None or call.index == index]
        named = [call for call in here if sent_id and call.sent_id == sent_id]
        if index is None and sent_id and not named:
            return None
        return next(reversed(named or here), None)

    def _new(self, index: int | None, sent_id: str) -> _Call:
        position = len(self._calls)
        call = _Call(position, position if index is None else index, sent_id, self._unique(sent_id))
        self._calls.append(call)
        return call

    def _unique(self, sent_id: str) -> str:
        # Made-up ids are random: a turn has several answers, and its readers tell calls apart by id.
        taken = {call.id for call in self._calls}
        return sent_id if sent_id and sent_id not in taken else f"call_{uuid4().hex}"


def _is_another(call: _Call, sent_id: str, name: str, arguments: str) -> bool:
    """Whether a piece that was sent in a call's place starts the next call."""
    if not name:
        # vLLM had releases that sent a new id with every piece, but the name only once.
        return False
    if sent_id and call.sent_id and sent_id != call.sent_id:
        return True
    if not call.name:
        return False
    if sent_id and call.sent_id:
        return name != call.name
    # Gemini sends parallel calls whole, all with index 0 and no id.
    return bool(arguments) and (name != call.name or _is_whole("".join(call.arguments)))


def _is_whole(arguments: str) -> bool:
    try:
        msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return False
    return True


def _begin(call: _Call) -> Iterator[ToolCallBegin | ToolCallArguments]:
    yield ToolCallBegin(call.position, call.id, call.name)
    if call.arguments:
        yield ToolCallArguments(call.position, "".join(call.arguments))


def _index(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) else None


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode()
