"""The states of one call, as a table.

Source: reference transcripts `ws-sub-*`.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import TYPE_CHECKING, Final


class _Fast(Enum):
    """Hashes by identity: an Enum has a hash in Python code, and the table is looked into all the time."""

    if not TYPE_CHECKING:
        __hash__ = object.__hash__


class State(_Fast):
    """Where a call is."""

    ASKED = auto()  # a query or mutation runs
    SETUP = auto()  # a subscription's procedure has not given its stream yet
    LIVE = auto()  # it streams
    STOPPING = auto()  # the client stopped it; it is cleaning up
    DONE = auto()


class Step(_Fast):
    """What a call's procedure, or its client, does."""

    ANSWER = auto()
    START = auto()
    EMIT = auto()
    END = auto()
    FAIL = auto()
    STOP = auto()


class Frame(Enum):
    """What a step puts on the wire."""

    PAYLOAD = auto()
    STARTED = auto()
    STOPPED = auto()


MOVES: Final[Mapping[tuple[State, Step], tuple[State, tuple[Frame, ...]]]] = {
    (State.ASKED, Step.ANSWER): (State.DONE, (Frame.PAYLOAD,)),
    (State.ASKED, Step.FAIL): (State.DONE, (Frame.PAYLOAD,)),
    (State.SETUP, Step.START): (State.LIVE, (Frame.STARTED,)),
    (State.SETUP, Step.FAIL): (State.DONE, (Frame.PAYLOAD,)),
    (State.SETUP, Step.STOP): (State.STOPPING, ()),
    (State.LIVE, Step.EMIT): (State.LIVE, (Frame.PAYLOAD,)),
    (State.LIVE, Step.END): (State.DONE, (Frame.STOPPED,)),
    (State.LIVE, Step.FAIL): (State.DONE, (Frame.PAYLOAD, Frame.STOPPED)),
    (State.LIVE, Step.STOP): (State.STOPPING, ()),
    # A procedure may notice late that it was stopped; what it still does is not sent.
    (State.STOPPING, Step.START): (State.STOPPING, ()),
    (State.STOPPING, Step.EMIT): (State.STOPPING, ()),
    (State.STOPPING, Step.STOP): (State.STOPPING, ()),
    (State.STOPPING, Step.END): (State.DONE, (Frame.STOPPED,)),
    (State.STOPPING, Step.FAIL): (State.DONE, (Frame.STOPPED,)),
}
