"""The states of a turn, as a table."""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from .events import TurnOutcome


class TurnState(Enum):
    """Where a turn is. The last four are its ends."""

    QUEUED = auto()
    RUNNING = auto()
    COMPLETE = auto()
    STOPPED = auto()
    ERROR = auto()
    INTERRUPTED = auto()


class TurnStep(Enum):
    """What can happen to a turn."""

    BEGIN = auto()
    FINISH = auto()
    STOP = auto()
    FAIL = auto()
    INTERRUPT = auto()


TURN_MOVES: Final[Mapping[tuple[TurnState, TurnStep], TurnState]] = {
    (TurnState.QUEUED, TurnStep.BEGIN): TurnState.RUNNING,
    (TurnState.QUEUED, TurnStep.STOP): TurnState.STOPPED,
    (TurnState.QUEUED, TurnStep.INTERRUPT): TurnState.INTERRUPTED,
    (TurnState.RUNNING, TurnStep.FINISH): TurnState.COMPLETE,
    (TurnState.RUNNING, TurnStep.STOP): TurnState.STOPPED,
    (TurnState.RUNNING, TurnStep.FAIL): TurnState.ERROR,
    (TurnState.RUNNING, TurnStep.INTERRUPT): TurnState.INTERRUPTED,
    # An answer that cannot be stored has failed, however it ended.
    (TurnState.COMPLETE, TurnStep.FAIL): TurnState.ERROR,
    (TurnState.STOPPED, TurnStep.FAIL): TurnState.ERROR,
    (TurnState.ERROR, TurnStep.FAIL): TurnState.ERROR,
    (TurnState.INTERRUPTED, TurnStep.FAIL): TurnState.ERROR,
}

OUTCOMES: Final[Mapping[TurnState, TurnOutcome]] = {
    TurnState.COMPLETE: "ok",
    TurnState.STOPPED: "stopped",
    TurnState.ERROR: "error",
    TurnState.INTERRUPTED: "interrupted",
}
