"""Events that a client can resume after."""

import re
from typing import Final, Generic, TypeVar

import msgspec

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_FORBIDDEN: Final = re.compile("[\0\n\r]")


class Tracked(msgspec.Struct, Generic[T_co], frozen=True):
    """An event with an id. Make it with `tracked`."""

    id: str
    data: T_co


def tracked(event_id: str, data: T) -> Tracked[T]:
    """Give an event an id, which the client sends back as `last_event_id` when it reconnects.

    In a stream with tracked events track every one: one without an id makes the stock client
    forget where it was.

    Raises:
        ValueError: an id that is empty, or holds line breaks or null characters, which
            server-sent events cannot carry.
    """
    if not event_id:
        raise ValueError("`id` must not be an empty string: that is the same as no id at all")
    if _FORBIDDEN.search(event_id):
        raise ValueError("`id` must not contain line breaks or null characters")
    return Tracked(event_id, data)
