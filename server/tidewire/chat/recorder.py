"""A turn's pen: writes its events into the log."""

from collections.abc import Callable

from .events import MessageEvent
from .log import Channel, EventId, LogFailingError
from .store import StoreError


class Recorder:
    """Where a turn's events go, in order."""

    def __init__(self, channel: Channel, turn_id: str) -> None:
        self.start: EventId = EventId(channel.epoch, channel.appended)
        """The id before the turn's first event."""
        self._channel = channel
        self._turn_id = turn_id

    def put(self, event: MessageEvent) -> None:
        """Record an event; readers see it once it is stored.

        Raises:
            StoreError: earlier events cannot be stored. This one was not added.
        """
        if self._channel.failure is not None:
            raise _not_stored() from self._channel.failure
        self._channel.append(self._turn_id, event)

    def put_last(self, event: MessageEvent, on_written: Callable[[], None] | None = None) -> None:
        """Record an event of the turn's end, which is kept until it can be stored.

        Args:
            on_written: is called just before readers see it.
        """
        self._channel.append(self._turn_id, event, on_written)

    @property
    def is_behind(self) -> bool:
        """Whether so much is to be stored that the turn has to wait, by `caught_up`."""
        return self._channel.full

    @property
    def position(self) -> EventId:
        """The id of the newest event."""
        return EventId(self._channel.epoch, self._channel.appended)

    async def caught_up(self) -> None:
        """Wait until everything recorded so far is stored.

        Raises:
            StoreError: it cannot be.
            LogGivenUpError: it never can be.
        """
        try:
            await self._channel.until(self._channel.appended)
        except LogFailingError as error:
            raise _not_stored() from error


def _not_stored() -> StoreError:
    return StoreError("The conversation cannot be saved at the moment.")
