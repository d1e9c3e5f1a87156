"""JSON lines: the answers to a batch in pieces, each sent when it is there.

The first line announces a chunk for each call. A chunk is a promise, settled by one line, or an
iterable, which has a line for each value; either may announce further chunks.

Source: reference transcripts `jsonl*`.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, Final

from msgspec import UNSET

PING: Final = b" "


class ChunkKind(IntEnum):
    """How a chunk comes."""

    PROMISE = 0
    ITERABLE = 1


# What a line says of its chunk; the numbers of promises and iterables overlap.
FULFILLED: Final = 0
REJECTED: Final = 1
RETURNED: Final = 0
YIELDED: Final = 1
FAILED: Final = 2


Announce = Callable[[Any], tuple[ChunkKind, int] | None]
"""Registers a value that is still to come and gives its kind and chunk; None for any other."""


def head(chunks: Sequence[int]) -> dict[str, Any]:
    """The first line, for a batch whose calls settle these chunks."""
    return {str(index): [[0], [None, ChunkKind.PROMISE.value, chunk]] for index, chunk in enumerate(chunks)}


def line(chunk: int, status: int, value: Any, announce: Announce) -> list[Any]:
    """A line with a value, whose parts that are still to come are announced."""
    return [chunk, status, _encode(value, announce)]


def returned_line(chunk: int) -> list[Any]:
    """A line that says that the iterable has ended, with no value of its own."""
    return [chunk, RETURNED, [[]]]


def error_line(chunk: int, status: int, shape: Any) -> list[Any]:
    """A line that says that the chunk has failed."""
    return [chunk, status, shape]


def _encode(value: Any, announce: Announce) -> list[Any]:
    if value is UNSET:
        return [[]]
    announced = announce(value)
    if announced is not None:
        return [[0], [None, announced[0].value, announced[1]]]
    if not isinstance(value, dict):
        return [[value]]
    plain = dict(value)
    parts: list[Any] = []
    for key, item in value.items():
        if (announced := announce(item)) is not None:
            plain[key] = 0
            parts.append([key, announced[0].value, announced[1]])
    return [[plain], *parts]
