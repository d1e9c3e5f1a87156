"""Events that a client can resume after."""

import re
from typing import Final, Generic, TypeVar

import msgspec
from msgspec.structs import force_setattr

from .errors import RPCError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_FORBIDDEN: Final = re.compile("[\0\n\r]")


class EventIdError(RPCError, ValueError):
    """An id that cannot be one: the server's mistake, in words that are safe to send.

    Source: reference transcripts `ws-sub-tracked-empty-id`, `ws-sub-tracked-newline-id`.
    """

    def __init__(self, message: str) -> None:
        super().__init__("INTERNAL_SERVER_ERROR", message)


class Tracked(msgspec.Struct, Generic[T_co], frozen=True):
    """An event with an id. Make it with `tracked`."""

    id: str
    data: T_co


class SharedEvent(Tracked[T_co], Generic[T_co], frozen=True, eq=False, gc=False):
    """A tracked event for many readers: checked and encoded for the first of them, as it is for all.

    Its id and data must not change any more. It remembers the last check and encoding, which readers of one
    procedure over one transformer share.
    """

    checked: object = None
    """The type that the data was checked against."""
    tail: bytes = b""
    """What ends the frames that carry it."""
    tail_by: object = None
    """The transformer that made the tail."""

    def was_checked(self, type: object) -> None:
        """Remember that the data is of a type."""
        force_setattr(self, "checked", type)

    def was_encoded(self, tail: bytes, by: object) -> None:
        """Remember what ends the frames that carry it, and which transformer made that."""
        force_setattr(self, "tail", tail)
        force_setattr(self, "tail_by", by)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tracked):
            return NotImplemented
        return (self.id, self.data) == (other.id, other.data)

    def __hash__(self) -> int:
        return hash((self.id, self.data))


def tracked(event_id: str, data: T) -> Tracked[T]:
    """Give an event an id, which the client sends back as `last_event_id` when it reconnects.

    In a stream with tracked events track every one: one without an id makes the stock client
    forget where it was.

    Raises:
        EventIdError: an id that is empty, or holds line breaks or null characters, which
            server-sent events cannot carry.
    """
    if not event_id:
        raise EventIdError(
            "`id` must not be an empty string as empty string is the same as not setting the id at all"
        )
    if _FORBIDDEN.search(event_id):
        raise EventIdError(
            "`id` must not contain line breaks or null characters"
            " as they are not allowed in a Server-Sent Events id"
        )
    return Tracked(event_id, data)
