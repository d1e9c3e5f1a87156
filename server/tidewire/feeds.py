"""Streams that can hand their events over by calling, so that no task is woken for each."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Generic, TypeVar

from .tracking import SharedEvent, Tracked

T = TypeVar("T")

Take = Callable[[Sequence[SharedEvent[Any]]], int]
"""Takes events, in order, and tells how many of them: fewer if there is no room for more. Never fails."""


class Feed(AsyncIterator[Tracked[T]], ABC, Generic[T]):
    """A subscription's stream which its reader may either ask or follow.

    A procedure returns it like any other stream. Whoever does not know of `follow` just iterates.
    """

    @abstractmethod
    def follow(self, take: Take, stop: Callable[[], None]) -> bool:
        """Have the next events handed to `take`, until it takes too few, or `unfollow`.

        Args:
            stop: is called when that is over for any other reason than `unfollow`; what has not been taken,
                and the stream's end or failure, is found by asking for the next event.

        Returns:
            False if there is an event already, or something else to be found by asking. Nothing is called
            then.
        """

    @abstractmethod
    def unfollow(self) -> None:
        """Call nothing any more. Does nothing if it is not being followed."""

    @abstractmethod
    async def aclose(self) -> None:
        """End."""
