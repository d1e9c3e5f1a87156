"""The log: all conversations' channels, written in groups."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from itertools import takewhile
from typing import Final
from weakref import WeakValueDictionary

import msgspec

from .channel import Channel, LogFailingError, LogGivenUpError
from .entry import Entry, EventId
from .journal import Journal, Kept, Written

logger: Final = logging.getLogger("tidewire.chat.log")

MAX_GROUP: Final = 5_000
"""Entries written in one transaction; one of this size takes about a twentieth of a second."""


TRIMMED_AT_ONCE: Final = 20
"""Turns whose entries are deleted in one transaction, which takes some ten milliseconds."""

MAX_RECONCILED: Final = 1 << 20
"""Characters of a channel's entries that are compared with what is kept, after a failed write."""


class LogLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long the log keeps, and waits."""

    retention: float = 300.0
    """Seconds that a turn's entries are kept after its end. What a browser needs to come back from a lost
    network or a restarted server; later readers get a snapshot."""
    max_size: int = 64 << 20
    """Characters of finished turns, in all conversations together; the oldest are dropped first."""
    lag: float = 5.0
    """Seconds that a finished turn's newest entries stay in memory, for readers that lag a little. Those that
    watch longer than that wait for nothing more of it."""
    interval: float = 0.02
    """Seconds between two groups, unless something is news: what comes meanwhile is written together."""
    retry_delays: tuple[float, ...] = (0.1, 0.2, 0.5, 1.0)
    """Seconds to wait after each failed write; the last one for all that follow."""
    patience: float = 10.0
    """Seconds that readers wait for a journal that fails."""
    trim_interval: float = 1.0
    """Seconds between two looks for what has been kept long enough."""
    refresh_interval: float = 0.2
    """Seconds between two looks for what another server has written, while there is one."""


class Log:
    """Gives out channels, writes what they append, and forgets what ended long ago.

    Everything pending is written in one transaction: at once if it is news (the first piece of a text,
    a tool's result, an end), else together with what comes within `interval`. So a token costs less
    the more of them there are.
    """

    def __init__(self, journal: Journal, limits: LogLimits | None = None) -> None:
        self.journal: Journal = journal
        """What keeps the entries."""
        self._alone: bool | None = None
        self._limits = limits or LogLimits()
        self._channels: dict[str, Channel] = {}
        self._gates: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._opening: dict[str, int] = {}
        """What is known to be written of conversations whose newest entry is being looked for."""
        self._waiting: dict[Channel, None] = {}
        """Channels with pending entries, in the order in which they came."""
        self._go = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._last_group = 0.0
        self._kept: deque[tuple[float, Kept]] = deque()
        self._kept_size = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._refreshing: asyncio.Task[None] | None = None

    @property
    def alone(self) -> bool | None:
        """Whether no other server writes into the journal; None until `own` or `share` said so."""
        return self._alone

    def start(self) -> None:
        """Begin to write, and to forget; `own` or `share` says how to read."""
        self._tasks = [
            asyncio.create_task(self._write_groups(), name="log writer"),
            asyncio.create_task(self._trim_kept(), name="log trimmer"),
        ]

    async def own(self) -> None:
        """Be the only server that writes, and forget in time also what others have written.

        Raises:
            StoreError: the journal cannot be read.
        """
        await self.refresh(self._channels)
        kept = await self.journal.kept()
        # Only now: if any of that fails, it is to be done again.
        self._alone = True
        if self._refreshing is not None:
            self._refreshing.cancel()
            self._refreshing = None
        already = {(turn.conversation_id, turn.last) for _, turn in self._kept}
        for turn in kept:
            if (turn.conversation_id, turn.last) not in already:
                self._keep(turn)

    def share(self) -> None:
        """Look from now on also for what other servers write."""
        self._alone = False
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._refresh_often(), name="log refresher")

    async def close(self) -> None:
        """Write what is pending, unless that fails, and stop."""
        while self._waiting and not any(channel.failure for channel in self._waiting):
            channel = next(iter(self._waiting))
            self._hurry()
            with suppress(TimeoutError, LogFailingError, LogGivenUpError):
                # In steps, so that a failure is noticed.
                await asyncio.wait_for(channel.until(channel.appended), 0.1)
        if self._waiting:
            logger.error("The last events of %d conversations could not be stored", len(self._waiting))
        tasks = [*self._tasks, *([self._refreshing] if self._refreshing else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # ---------- channels

    async def join(self, conversation_id: str) -> Channel:
        """Hold a conversation's channel, until `leave`.

        Raises:
            StoreError: the journal cannot be read.
        """
        channel = self._channels.get(conversation_id)
        if channel is None:
            # Two that open it at once must get the same.
            async with self._gates.setdefault(conversation_id, asyncio.Lock()):
                channel = self._channels.get(conversation_id) or await self._open(conversation_id)
                channel.users += 1
                return channel
        channel.users += 1
        return channel

    def join_at(self, conversation_id: str, position: EventId) -> Channel:
        """As `join`, for who knows the id of the newest entry."""
        channel = self._channels.get(conversation_id) or self._made(conversation_id, position)
        channel.others_wrote(position.number)
        channel.users += 1
        return channel

    def leave(self, channel: Channel) -> None:
        """Let go of a channel."""
        channel.users -= 1
        self._drop_idle(channel)

    def channel(self, conversation_id: str) -> "HeldChannel":
        """Hold a conversation's channel for the length of a block: `async with log.channel(id) as channel`.

        Entering raises StoreError as `join`.
        """
        return HeldChannel(self, conversation_id)

    async def _open(self, conversation_id: str) -> Channel:
        self._opening[conversation_id] = 0
        try:
            position = await self.journal.position(conversation_id)
        finally:
            written = self._opening.pop(conversation_id)
        # A turn may have begun meanwhile, and even ended.
        channel = self._channels.get(conversation_id) or self._made(conversation_id, position)
        channel.others_wrote(written)
        return channel

    def _made(self, conversation_id: str, position: EventId) -> Channel:
        channel = Channel(
            conversation_id, position, self.journal, wake=self._wake, patience=self._limits.patience
        )
        self._channels[conversation_id] = channel
        return channel

    def _drop_idle(self, channel: Channel) -> None:
        # Not if it was given up, and another has its place.
        if channel.users == 0 and channel.written == channel.appended and not channel.given_up:
            self._channels.pop(channel.conversation_id, None)
            self._note_opening(channel.conversation_id, channel.written)

    def _note_opening(self, conversation_id: str, written: int) -> None:
        if conversation_id in self._opening:
            self._opening[conversation_id] = max(self._opening[conversation_id], written)

    async def refresh(self, conversation_ids: Iterable[str]) -> None:
        """Let readers see what another server has written, or that it has deleted their conversation.

        Raises:
            StoreError: the journal cannot be read.
        """
        known = [each for each in conversation_ids if each in self._channels or each in self._opening]
        if not known:
            return
        positions = await self.journal.positions(known)
        for conversation_id in known:
            number = positions.get(conversation_id)
            channel = self._channels.get(conversation_id)
            if number is None:
                if channel is not None:
                    channel.others_deleted()
                continue
            self._note_opening(conversation_id, number)
            if channel is not None:
                channel.others_wrote(number)

    async def _refresh_often(self) -> None:
        while True:
            await asyncio.sleep(self._limits.refresh_interval)
            try:
                await self.refresh(self._channels)
            # Whatever it is: the next look may succeed, and readers wait meanwhile.
            except Exception as error:
                logger.warning("What another server has written cannot be read: %s", error)

    def forget(self, conversation_id: str) -> None:
        """Tell whoever follows a conversation that it was deleted."""
        if channel := self._channels.get(conversation_id):
            channel.end()

    # ---------- writing

    def _wake(self, channel: Channel, is_news: bool) -> None:
        if channel.given_up:
            return
        self._waiting[channel] = None
        if is_news:
            self._hurry()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._last_group + self._limits.interval, self._hurry)

    def _hurry(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._go.set()

    async def _write_groups(self) -> None:
        failures = 0
        while True:
            await self._go.wait()
            self._go.clear()
            self._last_group = asyncio.get_running_loop().time()
            if not self._waiting:
                continue
            if failures:
                await self._reconcile()
            failures = 0 if await self._write_group() else failures + 1
            if failures:
                delays = self._limits.retry_delays
                await asyncio.sleep(delays[min(failures, len(delays)) - 1])
                self._go.set()

    async def _write_group(self) -> bool:
        """Write what is pending, and publish it; False if that failed."""
        group: list[Written] = []
        counts: dict[Channel, int] = {}
        for channel in self._waiting:
            pending = channel.pending[: MAX_GROUP - len(group)]
            if not pending:
                break
            counts[channel] = len(pending)
            group += pending
        # All of it was found to be written already, or given up.
        if not group:
            return True
        try:
            await self.journal.write(group)
        # Whatever it is: entries that are not written are not shown, and turns have to hear of it.
        except Exception as error:
            # Where from is told once, not every second: a traceback of the database's has 150 lines.
            told = any(channel.failure for channel in counts)
            logger.error(
                "%d events could not be stored: %s", len(group), error, exc_info=None if told else error
            )
            for channel in counts:
                channel.fail(error)
            return False
        for channel, count in counts.items():
            self._publish(channel, count)
        if self._waiting and self._timer is None:
            self._hurry()
        return True

    def _publish(self, channel: Channel, count: int) -> None:
        for turn in channel.publish(count):
            self._keep(turn)
            asyncio.get_running_loop().call_later(self._limits.lag, channel.drop_tail, turn.last)
        if channel.written == channel.appended:
            del self._waiting[channel]
            self._drop_idle(channel)

    async def _reconcile(self) -> None:
        """Look what a write that was reported as failed has written all the same.

        One that finds another server's entries in place of its own gives its channel up: it would fail
        every group, and with it all others.
        """
        for channel in list(self._waiting):
            try:
                pending = channel.pending
                found = await self.journal.read(
                    channel.conversation_id, channel.written, limit=len(pending), max_size=MAX_RECONCILED
                )
            # Whatever it is: the next attempt to write tells more.
            except Exception:
                return
            pairs = zip(found, pending, strict=False)
            own = sum(1 for _ in takewhile(lambda pair: _is_written(*pair), pairs))
            if own:
                self._publish(channel, own)
            if own < len(found):
                logger.error("Another server writes in conversation %s", channel.conversation_id)
                self._waiting.pop(channel, None)
                # Who comes next gets one that begins after what the other server has written.
                self._channels.pop(channel.conversation_id, None)
                channel.give_up()

    # ---------- forgetting

    def _keep(self, turn: Kept) -> None:
        self._kept.append((asyncio.get_running_loop().time(), turn))
        self._kept_size += turn.size

    async def _trim_kept(self) -> None:
        while True:
            await asyncio.sleep(self._limits.trim_interval)
            await self.trim()

    async def trim(self) -> None:
        """Forget the turns that ended longer ago than the retention, or are too large together."""
        oldest = asyncio.get_running_loop().time() - self._limits.retention
        due: list[Kept] = []
        while self._kept and (self._kept[0][0] <= oldest or self._kept_size > self._limits.max_size):
            _, turn = self._kept.popleft()
            self._kept_size -= turn.size
            due.append(turn)
        # In pieces: who appends waits for one of them, and not for all that a restart made due at once.
        while due:
            piece, due = due[:TRIMMED_AT_ONCE], due[TRIMMED_AT_ONCE:]
            try:
                await self.journal.trim(piece)
            # Whatever it is: the log goes on, and the next look finds them again.
            except Exception as error:
                logger.warning("Old events could not be deleted yet: %s", error)
                now = asyncio.get_running_loop().time() - self._limits.retention
                self._kept.extendleft((now, turn) for turn in reversed([*piece, *due]))
                self._kept_size += sum(turn.size for turn in [*piece, *due])
                return


class HeldChannel:
    """Joins a channel, and leaves it. Readers keep one for hours, and a generator for it is half a KiB."""

    __slots__ = ("_channel", "_conversation_id", "_log")

    def __init__(self, log: Log, conversation_id: str) -> None:
        self._log = log
        self._conversation_id = conversation_id

    async def __aenter__(self) -> Channel:
        self._channel = await self._log.join(self._conversation_id)
        return self._channel

    async def __aexit__(self, *error: object) -> None:
        self._log.leave(self._channel)


def _is_written(entry: Entry, written: Written) -> bool:
    """Whether an entry that is kept is this one; by its JSON, which may have made a list of a tuple."""
    return Written.of(written.conversation_id, entry.place.number, entry.turn_id, entry.data) == written
