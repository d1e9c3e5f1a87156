"""One conversation's entries, while somebody writes or reads them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from ..events import Complete, MessageEvent, ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta
from .coalescing import coalesced
from .entry import Entry, EventId
from .journal import Journal, Kept, Written

DELTAS: Final = (TextDelta, ReasoningDelta, RefusalDelta, ToolCallDelta)

TAIL: Final = 256
"""Entries that are kept in memory for readers that lag a little; half as many again before it is cut."""

TAIL_SIZE: Final = 128 << 10
"""Characters of the same; the results of tools can be large."""

PAGE: Final = 250
"""Entries that a reader far behind takes from the journal at a time."""

PAGE_SIZE: Final = 16 << 10
"""Characters of the same: what a reader costs beside what waits for its socket."""

MAX_PENDING: Final = 16 << 10
"""Characters that may wait to be written before a writer has to wait."""


class LogGapError(Exception):
    """The entries a reader would go on with are no longer kept."""


class LogEndedError(Exception):
    """There will be no more entries: the conversation was deleted."""


class LogGivenUpError(Exception):
    """Another server has written in the place of entries, so that they never can be."""


class LogFailingError(Exception):
    """Entries cannot be written, and have not been for a while."""


class Follower(Protocol):
    """Who is handed entries as they are written."""

    def take(self, entries: Sequence[Entry]) -> bool:
        """Take entries; False to get no more. Never fails."""
        ...

    def stop(self) -> None:
        """Get no more, for there is something else to be read."""
        ...


class Channel:
    """Appends are visible to readers once they are written, in order.

    Made by the log; one per conversation. It has one writer at a time: the turn that is active.

    Args:
        position: the newest entry's id.
        wake: is called after an append, with whether readers are waiting for it eagerly.
        patience: seconds that readers wait for a journal that fails.
    """

    def __init__(
        self,
        conversation_id: str,
        position: EventId,
        journal: Journal,
        *,
        wake: Callable[["Channel", bool], None],
        patience: float,
    ) -> None:
        self.conversation_id: str = conversation_id
        self.epoch: str = position.epoch
        self.appended: int = position.number
        """The number of the newest entry, visible or not."""
        self.written: int = position.number
        """The number of the newest entry that readers see."""
        self.users: int = 0
        """Who holds the channel; the log lets go of it when nobody does."""
        self.failure: Exception | None = None
        """Why the last write failed, until one succeeds."""
        self.given_up: bool = False
        """Whether nothing of what is pending can ever be written."""
        self._journal = journal
        self._wake = wake
        self._patience = patience
        self._pending: list[tuple[Entry, Written]] = []
        self._pending_size = 0
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._tail: list[Entry] = []
        self._tail_size = 0
        self._turn_size = 0
        self._after_delta = False
        self._ended = False
        self._followers: dict[Follower, None] = {}
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._failing_since = 0.0

    # ---------- writing

    def append(
        self, turn_id: str, event: MessageEvent, on_written: Callable[[], None] | None = None
    ) -> EventId:
        """Add an event. Readers see it once it is written; `on_written` is called just before.

        Raises:
            TypeError, ValueError, RecursionError: the event is not JSON; nothing was added.
        """
        number = self.appended + 1
        written = Written.of(self.conversation_id, number, turn_id, event)
        self.appended = number
        entry = Entry.at(EventId(self.epoch, number), turn_id, event, len(written.payload))
        self._pending.append((entry, written))
        self._pending_size += entry.size
        if on_written is not None:
            self._callbacks[number] = on_written
        # What follows a piece of text at once can wait for more of it; anything else is news.
        is_delta = isinstance(event, DELTAS)
        self._wake(self, not (is_delta and self._after_delta))
        self._after_delta = is_delta
        return entry.place

    @property
    def full(self) -> bool:
        """Whether so much waits to be written that a writer has to wait, by `until`."""
        return self._pending_size > MAX_PENDING

    async def until(self, number: int) -> None:
        """Wait until the entry with this number is written.

        Raises:
            LogFailingError: it cannot be, and has been tried for a while.
            LogGivenUpError: it never can be.
        """
        while self.written < number:
            self._check_patience()
            await self._next_move()

    @property
    def pending(self) -> list[Written]:
        """What is to be written next."""
        return [written for _, written in self._pending]

    def publish(self, count: int) -> list[Kept]:
        """Say that the first `count` pending entries are written; gives the turns that ended with them."""
        published, self._pending = self._pending[:count], self._pending[count:]
        self.failure = None
        ended: list[Kept] = []
        for entry, _ in published:
            self._pending_size -= entry.size
            self._turn_size += entry.size
            if isinstance(entry.data, Complete):
                ended.append(Kept(self.conversation_id, entry.place.number, self._turn_size))
                self._turn_size = 0
            if self._callbacks and (callback := self._callbacks.pop(entry.place.number, None)):
                callback()
            self._tail.append(entry)
            self._tail_size += entry.size
        self._cut_tail()
        self.written = published[-1][0].place.number
        if self._followers:
            self._hand_over([entry for entry, _ in published])
        self._wake_readers()
        return ended

    def _hand_over(self, published: Sequence[Entry]) -> None:
        entries = coalesced(published)
        for follower in list(self._followers):
            if not follower.take(entries):
                self._followers.pop(follower, None)

    def _cut_tail(self) -> None:
        if len(self._tail) <= TAIL * 3 // 2 and self._tail_size <= TAIL_SIZE * 3 // 2:
            return
        keep = min(len(self._tail), TAIL)
        size = sum(entry.size for entry in self._tail[-keep:])
        while keep and size > TAIL_SIZE:
            size -= self._tail[-keep].size
            keep -= 1
        self._tail = self._tail[len(self._tail) - keep :]
        self._tail_size = size

    def drop_tail(self, up_to: int) -> None:
        """Keep no entries in memory up to a number."""
        keep = [entry for entry in self._tail if entry.place.number > up_to]
        self._tail, self._tail_size = keep, sum(entry.size for entry in keep)

    def fail(self, error: Exception) -> None:
        """Say that writing has failed; what is pending stays so."""
        now = asyncio.get_running_loop().time()
        if self.failure is None:
            self._failing_since = now
        self.failure = error
        self._move()

    def end(self) -> None:
        """Say that there will be no more entries; those that are there can be read to the end."""
        self._ended = True
        self._move()

    def give_up(self) -> None:
        """Say that another server has written in the place of what is pending."""
        self.given_up = True
        self._move()

    def others_wrote(self, number: int) -> None:
        """Say that another server has written up to a number, and this one writes nothing here."""
        if self.appended == self.written < number:
            self._tail, self._tail_size = [], 0
            self.appended = self.written = number
            self._move()

    def others_deleted(self) -> None:
        """Say that the conversation is gone. Where a turn is under way here, only this server deletes it."""
        if not self._pending and not self._turn_size:
            self.end()

    def _move(self) -> None:
        followers, self._followers = self._followers, {}
        for follower in followers:
            follower.stop()
        self._wake_readers()

    def _wake_readers(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, {}
            for move in waiting:
                if not move.done():
                    move.set_result(None)

    async def _next_move(self) -> None:
        # A future for each reader: an event for all takes four times as much, and most have one.
        move = asyncio.get_running_loop().create_future()
        self._waiting[move] = None
        try:
            await move
        finally:
            # Those of readers that were woken are there no more.
            self._waiting.pop(move, None)

    # ---------- reading

    def follow(self, follower: "Follower", after: int) -> bool:
        """Hand over every entry after a number as it comes, if that one is the newest.

        Ends when the follower takes no more, and when there is something that `read` tells.
        """
        can = after == self.written and self.failure is None and not (self._ended or self.given_up)
        if can:
            self._followers[follower] = None
        return can

    def unfollow(self, follower: "Follower") -> None:
        """Hand nothing over any more."""
        self._followers.pop(follower, None)

    async def read(self, after: int) -> Sequence[Entry]:
        """Wait for entries after a number, and give what is there, in order.

        Of many, as a reader finds that lags, neighbouring pieces of one text come as one.

        Raises:
            LogGapError: entries in between are no longer kept.
            LogEndedError: there will be no more.
            LogFailingError: new ones cannot be written, and readers have been patient.
            LogGivenUpError: new ones never can be.
            StoreError: entries cannot be read.
        """
        while self.written <= after:
            if self._ended:
                raise LogEndedError
            self._check_patience()
            await self._next_move()
        first = self._tail[0].place.number if self._tail else self.written + 1
        if after + 1 >= first:
            return coalesced(_page(self._tail[after + 1 - first :]))
        entries = await self._journal.read(self.conversation_id, after, limit=PAGE, max_size=PAGE_SIZE)
        if not entries or entries[0].place.number != after + 1:
            raise LogEndedError if self._ended else LogGapError
        return coalesced(entries)

    def _check_patience(self) -> None:
        if self.given_up:
            raise LogGivenUpError
        if self.failure is None:
            return
        if asyncio.get_running_loop().time() - self._failing_since >= self._patience:
            raise LogFailingError from self.failure


def _page(entries: Sequence[Entry]) -> Sequence[Entry]:
    """The first of them, as many as a page may hold; one at least."""
    size = 0
    for count, entry in enumerate(entries):
        if size >= PAGE_SIZE:
            return entries[:count]
        size += entry.size
    return entries
