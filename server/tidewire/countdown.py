"""The time that a shutdown has, and what it is for."""

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Final

DEFAULT_GRACE: Final = 10.0
"""Seconds from the signal to the exit."""

CLOSING_SHARE: Final = 0.25
CLOSING_MIN: Final = 1.5
CLOSING_MAX: Final = 5.0
"""Seconds of the grace period that are kept for closing."""

POLL: Final = 0.05
"""Seconds between two looks at what is left: sockets and calls end in too many ways to be told of all."""


class Stage(Enum):
    """What is over by when: the share of the closing time that has passed then."""

    WORK = 0.0
    """Long work is interrupted; calls, and generic subscriptions, are waited for no more."""
    FRAMES = 0.2
    """The interruption has been stored, and readers have got their last frames."""
    SOCKETS = 0.4
    """WebSockets have been closed; those that are stuck are aborted."""
    ANSWERS = 0.6
    """HTTP answers have ended; connections that are left are aborted."""
    EXIT = 1.0
    """The application has shut down: its databases are flushed and closed."""


class Countdown:
    """When the stages end.

    All of `grace` counts from the signal to the exit. Its last quarter, at least 1.5 s and at most 5 s,
    is for closing, and divided as `Stage` says: of 10 s, work gets 7.5; the rest ends after 8.0, 8.5,
    9.0 and 10 s. Of 60 s, work gets 55. Nothing can be closed in no time: a grace of less than 1.5 s
    counts as 1.5, without any time for work; so do the seconds after a hurry.
    """

    def __init__(self, grace: float) -> None:
        self.total: float = total_seconds(grace)
        """Seconds from the signal to the exit."""
        self.begun: bool = False
        self.hurried: bool = False
        self._grace = grace
        self._closing = 0.0
        self._exit = 0.0

    def begin(self) -> None:
        """Start the clock, if it is not running yet."""
        if not self.begun:
            self.begun = True
            self._closing = closing_seconds(self._grace)
            self._exit = _now() + self.total

    def hurry(self) -> None:
        """Allow no more time than closing needs."""
        self.begin()
        self.hurried = True
        self._closing = closing_seconds(0)
        self._exit = min(self._exit, _now() + total_seconds(0))

    def left(self, stage: Stage) -> float:
        """Seconds until the end of a stage. Starts the clock."""
        self.begin()
        return max(0.0, self._exit - (1 - stage.value) * self._closing - _now())

    async def until(self, stage: Stage, done: Callable[[], bool]) -> None:
        """Wait until `done`, or the end of a stage, which a hurry brings forward."""
        while not done() and (left := self.left(stage)):  # noqa: ASYNC110 - see POLL
            await asyncio.sleep(min(POLL, left))


def closing_seconds(grace: float) -> float:
    """The part of a grace period that is for closing."""
    return min(max(grace * CLOSING_SHARE, CLOSING_MIN), CLOSING_MAX)


def total_seconds(grace: float) -> float:
    """How long a shutdown takes at most."""
    return max(grace, closing_seconds(grace))


def _now() -> float:
    return asyncio.get_running_loop().time()
