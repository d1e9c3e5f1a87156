"""What readers get: a turn's events, or a conversation's, and snapshots of what is no longer kept."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from tidewire import ErrorCode, RPCError, Tracked, tracked
from tidewire.feeds import Feed, Take

from .events import Complete, MessageEvent, Snapshot
from .fold import Fold
from .log import (
    Channel,
    Entry,
    EventId,
    Log,
    LogEndedError,
    LogFailingError,
    LogGapError,
    LogGivenUpError,
)
from .models import Message, answer_among
from .store import Store, StoreError
from .turn import Turn

SNAPSHOTS: Final = 50
"""Messages that a reader gets who has missed more than the log keeps; older ones it asks for by a query."""


class Place(NamedTuple):
    """Where a reader goes on: after an event in the log, or in what is stored of a turn."""

    turn_id: str
    after: EventId
    """Of the turn's own epoch (see `_replay`) for a place in what is stored."""
    at_end: bool = False
    """Whether the turn's `complete` has been read."""


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation at one moment."""

    messages: Sequence[Message]
    """Oldest first; an answer that is being written is there as far as it has come."""
    next_cursor: str | None = None
    """Leads to older messages."""
    turn: Turn | None = None
    """What is under way."""
    position: EventId
    """The newest event that `messages` holds."""


Events = AsyncGenerator[Tracked[MessageEvent], None]


class Reading(Feed[MessageEvent]):
    """One reader's stream: what it has missed by asking, and then what comes, which it may follow.

    Args:
        events: gives all of it; tells `begin` where the log begins, and takes what comes from `entries`.
        turn_id: the turn whose entries are wanted, instead of all.
    """

    def __init__(self, events: Callable[["Reading"], Events], turn_id: str | None = None) -> None:
        self.complete: bool = False
        """Whether the turn's last entry was given."""
        self._events = events(self)
        self._turn_id = turn_id
        self._channel: Channel | None = None
        self._number = 0
        self._left = 0
        """Of the entries that were given last, those that have not been asked for."""
        self._take: Take = _take_nothing
        self._stop: Callable[[], None] = _do_nothing

    async def __anext__(self) -> Tracked[MessageEvent]:
        """Wait for the next event."""
        event = await anext(self._events)
        self._left = max(0, self._left - 1)
        return event

    async def aclose(self) -> None:
        """End."""
        await self._events.aclose()

    # ---------- for whoever gives the events

    def begin(self, channel: Channel, after: int) -> None:
        """Go on in the log, after a number."""
        self._channel, self._number = channel, after

    async def entries(self) -> Sequence[Entry]:
        """Wait for entries, and give what is there of those that are wanted, perhaps none.

        Raises:
            LogGapError, LogEndedError, LogFailingError, LogGivenUpError, StoreError: as `Channel.read`.
        """
        assert self._channel is not None
        try:
            entries = await self._channel.read(self._number)
        except BaseException:
            self._channel = None
            raise
        self._number = entries[-1].place.number
        wanted = self._wanted(entries)
        self._left = len(wanted)
        return wanted

    def _wanted(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        if self._turn_id is None:
            return entries
        # Mostly all are; the first and the last one tell, for turns follow each other.
        if not entries[0].turn_id == entries[-1].turn_id == self._turn_id:
            entries = [entry for entry in entries if entry.turn_id == self._turn_id]
        self.complete = bool(entries) and isinstance(entries[-1].data, Complete)
        return entries

    # ---------- following

    def follow(self, take: Take, stop: Callable[[], None]) -> bool:
        """As `Feed`."""
        if self._channel is None or self._left or self.complete:
            return False
        self._take, self._stop = take, stop
        return self._channel.follow(self, self._number)

    def unfollow(self) -> None:
        """As `Feed`."""
        if self._channel is not None:
            self._channel.unfollow(self)

    def take(self, entries: Sequence[Entry]) -> bool:
        """Hand entries over that have just been written."""
        wanted = self._wanted(entries)
        taken = self._take(wanted)
        if taken == len(wanted):
            self._number = entries[-1].place.number
        elif taken:
            self._number = wanted[taken - 1].place.number
        self.complete = self.complete and taken == len(wanted)
        goes_on = taken == len(wanted) and not self.complete
        if not goes_on:
            self._stop()
        return goes_on

    def stop(self) -> None:
        """Have the next event asked for."""
        self._stop()


def _take_nothing(events: Sequence[object]) -> int:
    return 0


def _do_nothing() -> None:
    pass


class Readers:
    """Attaches readers to the log, and to the store where the log does not reach."""

    def __init__(self, store: Store, log: Log) -> None:
        self._store = store
        self._log = log

    # ---------- places

    async def place(self, conversation_id: str, event_id: EventId) -> Place | None:
        """Where to go on after an event that is still kept.

        Raises:
            StoreError: the log cannot be read.
        """
        entry = await self._entry(conversation_id, event_id)
        return None if entry is None else Place(entry.turn_id, event_id, isinstance(entry.data, Complete))

    async def start_of(self, conversation_id: str, turn_id: str) -> Place:
        """Where to read a turn from its start; in the store if its entries are no longer kept.

        Raises:
            StoreError: the log cannot be read.
        """
        position = await self._log.journal.position(conversation_id)
        before = await self._log.journal.before(conversation_id, turn_id)
        if before is None and await self._has_answer_under_way(turn_id):
            # Another server has just begun it.
            before = position
        return Place(turn_id, before or EventId(turn_id, 0))

    async def _entry(self, conversation_id: str, event_id: EventId) -> Entry | None:
        """An entry that is kept, whether this server knows of it already or not."""
        entries = await self._log.journal.read(conversation_id, event_id.number - 1, limit=1, max_size=1)
        return entries[0] if entries and entries[0].place == event_id else None

    async def answer_so_far(self, answer: Message) -> tuple[Message, EventId]:
        """What another server has written of an answer, and the id of the last event of that.

        Its `complete` is left to be followed: what tells more of the end may not be stored yet, or never be.

        Raises:
            StoreError: the log cannot be read.
        """
        journal = self._log.journal
        position = await journal.position(answer.conversation_id)
        fold = Fold()
        for entry in await journal.turn(answer.conversation_id, answer.turn_id):
            if isinstance(entry.data, Complete):
                break
            fold.apply(entry.data)
            position = entry.place
        return msgspec.structs.replace(answer, parts=fold.parts, content=fold.content), position

    # ---------- reading

    def turn(self, conversation_id: str, place: Place, *, has_cursor: bool) -> Reading:
        """Give a turn's events after a place, up to its `complete`.

        Args:
            has_cursor: whether the reader has an event id to go on after already.

        Raises:
            RPCError: NOT_FOUND, the answer was deleted; SERVICE_UNAVAILABLE or TIMEOUT, events cannot be
                stored or read.
        """
        return Reading(lambda reading: self._turn(reading, conversation_id, place, has_cursor), place.turn_id)

    async def _turn(self, reading: Reading, conversation_id: str, place: Place, has_cursor: bool) -> Events:
        if place.at_end:
            return
        if place.after.epoch != place.turn_id:
            try:
                async with self._log.channel(conversation_id) as channel:
                    if channel.appended <= place.after.number and not await self._has_answer(place.turn_id):
                        # Deleted since the place was found: nothing more will come.
                        raise LogGapError
                    reading.begin(channel, place.after.number)
                    while not reading.complete:
                        for entry in await reading.entries():
                            yield entry
                            has_cursor = True
                    return
            except (LogGapError, LogEndedError):
                place = Place(place.turn_id, EventId(place.turn_id, 0))
            except (LogFailingError, LogGivenUpError, StoreError) as error:
                raise _cut_off(has_cursor=has_cursor) from error
        try:
            messages = await self._store.messages.turn(place.turn_id)
        except StoreError as error:
            raise _cut_off(has_cursor=has_cursor) from error
        if any(message.status == "streaming" for message in messages):
            # Another server writes it, and how it ends nobody knows.
            raise _cut_off(has_cursor=has_cursor)
        for event in _replay(messages, place.after):
            yield event

    async def _has_answer_under_way(self, turn_id: str) -> bool:
        return any(message.status == "streaming" for message in await self._store.messages.turn(turn_id))

    async def _has_answer(self, turn_id: str) -> bool:
        # Whatever its status: it is stored as ended just before `complete` comes.
        return answer_among(await self._store.messages.turn(turn_id)) is not None

    def conversation(
        self, conversation_id: str, after: EventId | None, picture: Callable[[int], Awaitable[Picture]]
    ) -> Reading:
        """Give every event of a conversation after a place; never ends by itself.

        What is no longer kept after `after` is given as snapshots of what `picture` shows, which is told how
        many messages are wanted. Without `after` it is the newest message, so that there is an id to go on
        after from the first moment on.

        Raises:
            RPCError: SERVICE_UNAVAILABLE, events cannot be stored or read; NOT_FOUND, the conversation
                was deleted.
        """
        return Reading(lambda reading: self._conversation(reading, conversation_id, after, picture))

    async def _conversation(
        self,
        reading: Reading,
        conversation_id: str,
        after: EventId | None,
        picture: Callable[[int], Awaitable[Picture]],
    ) -> Events:
        wanted = SNAPSHOTS if after else 1
        try:
            async with self._log.channel(conversation_id) as channel:
                if after is not None and not await self._is_known(channel, after):
                    after = None
                while True:
                    # Only who holds the channel is told of a deletion, and of another server's later.
                    if not await self._store.conversations.exists(conversation_id):
                        raise LogEndedError
                    if after is None:
                        now = await picture(wanted)
                        for event in _snapshots(now.messages, now.position):
                            yield event
                        after, wanted = now.position, SNAPSHOTS
                    try:
                        reading.begin(channel, after.number)
                        while True:
                            for entry in await reading.entries():
                                yield entry
                    except LogGapError:
                        after = None
        except LogEndedError as error:
            raise RPCError("NOT_FOUND", "The conversation was deleted") from error
        except (LogFailingError, LogGivenUpError, StoreError) as error:
            # Watching again begins nothing.
            raise _cut_off(has_cursor=True) from error

    async def _is_known(self, channel: Channel, event_id: EventId) -> bool:
        """Whether an id is of this conversation, and not of a time that is still to come."""
        if event_id.epoch != channel.epoch:
            return False
        if event_id.number <= channel.written:
            return True
        # Another server may have written it just now.
        return await self._entry(channel.conversation_id, event_id) is not None


def _cut_off(*, has_cursor: bool) -> RPCError:
    # Stock clients repeat a subscription over HTTP that failed with a 5xx code. With an id to go on after
    # that is right; without one it would send the message again, for ever.
    code: ErrorCode = "SERVICE_UNAVAILABLE" if has_cursor else "TIMEOUT"
    return RPCError(code, "The conversation cannot be saved at the moment; what was shown is kept")


def _snapshots(messages: Sequence[Message], position: EventId) -> Iterator[Tracked[MessageEvent]]:
    """Messages as events. A reader that is cut off before the last one gets all of them again."""
    # Of an epoch that no log has. Its own would do only once its first event is no longer kept.
    nowhere = EventId("nowhere", 0)
    for message in messages:
        event_id = str(position if message is messages[-1] else nowhere)
        yield tracked(event_id, Snapshot(message=message, up_to=str(position)))


def _replay(messages: list[Message], after: EventId) -> Iterator[Tracked[MessageEvent]]:
    """Give what is stored of a turn whose events are gone: the answer as a whole, and `complete`.

    Their ids are the turn's own, `<turnId>.1` and `.2`, so that this too can be continued.
    """
    answer = answer_among(messages)
    if answer is None:
        raise RPCError("NOT_FOUND", "The answer was deleted")
    snapshot_id, complete_id = EventId(answer.turn_id, 1), EventId(answer.turn_id, 2)
    if after < snapshot_id:
        yield tracked(str(snapshot_id), Snapshot(message=answer, up_to=str(snapshot_id)))
    if after < complete_id:
        yield tracked(str(complete_id), Complete.of(answer))
