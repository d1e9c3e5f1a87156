"""Whatever happens to a log, each of its readers gets all of it or is told of a gap."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tidewire.chat.log.journal import MemoryJournal, complete, turn_of_the_loop, until, word
from tests.tidewire.chat.log.logs import NEVER, end, kept
from tidewire.chat.log import Channel, Entry, Log, LogGapError, LogLimits
from tidewire.chat.log import channel as channel_module
from tidewire.chat.log import log as log_module


class Reader:
    """Reads until it has all up to a number, or is told of a gap; checks what it gets.

    Follows the channel whenever it can, unless it takes nothing (`room` is 0); of `room` handovers it refuses
    the last.
    """

    def __init__(self, channel: Channel, journal: MemoryJournal, after: int, room: int) -> None:
        self.after = after
        self._room = room
        self._handovers = 0
        self._stopped = asyncio.Event()
        self.seen: list[int] = []
        self.has_gap = False
        self._channel = channel
        self._journal = journal
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while True:
                for entry in await self._channel.read(self._last):
                    self._see(entry)
                self._stopped.clear()
                if self._room and self._channel.follow(self, self._last):
                    await self._stopped.wait()
        except LogGapError:
            self.has_gap = True

    @property
    def _last(self) -> int:
        return self.seen[-1] if self.seen else self.after

    def _see(self, entry: Entry) -> None:
        # Durable before visible.
        assert entry.place.number <= self._journal.newest[self._channel.conversation_id]
        assert entry.data == word(str(entry.place.number)) or entry.data == complete()
        self.seen.append(entry.place.number)

    def take(self, entries: Sequence[Entry]) -> bool:
        self._handovers += 1
        if self._handovers % self._room == 0:
            self._stopped.set()
            return False
        for entry in entries:
            self._see(entry)
        return True

    def stop(self) -> None:
        self._stopped.set()

    async def finish(self, last: int) -> None:
        """Wait until it has all that it can get."""
        await until(lambda: self.task.done() or self._last >= last)
        if not self.has_gap:
            assert not self.task.done()
            self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=not self.has_gap)
        up_to = self.after + len(self.seen)
        assert self.seen == list(range(self.after + 1, up_to + 1))
        assert up_to == last or self.has_gap
        if self.has_gap:
            first = next(iter(kept(self._journal, self._channel.conversation_id)), last + 1)
            assert first > up_to + 1


STEPS = st.one_of(
    st.tuples(st.just("append"), st.sampled_from("cd"), st.integers(1, 8)),
    st.tuples(st.just("end"), st.sampled_from("cd"), st.just(0)),
    st.tuples(st.just("join"), st.sampled_from("cd"), st.integers(0, 100)),
    st.tuples(st.just("fail"), st.just(""), st.integers(1, 3)),
    st.tuples(st.just("wait"), st.just(""), st.integers(1, 12)),
    st.tuples(st.just("trim"), st.just(""), st.just(0)),
)

SMALL = {"TAIL": 4, "TAIL_SIZE": 300, "PAGE": 3, "PAGE_SIZE": 150}


@given(st.lists(STEPS, min_size=1, max_size=30), st.integers(1, 9))
def test_every_reader_gets_all_after_its_place_once_and_in_order_or_is_told_of_a_gap(
    steps: list[tuple[str, str, int]], group: int
) -> None:
    async def scenario() -> None:
        journal = MemoryJournal()
        log = Log(
            journal,
            LogLimits(retention=0, interval=0, retry_delays=(0,), patience=NEVER, trim_interval=NEVER),
        )
        await log.own()
        log.start()
        channels = {name: await log.join(name) for name in "cd"}
        readers: list[tuple[str, Reader]] = []
        for kind, name, amount in steps:
            match kind:
                case "append":
                    channel = channels[name]
                    for _ in range(amount):
                        channel.append("turn", word(str(channel.appended + 1)))
                case "end":
                    channels[name].append("turn", complete())
                case "join":
                    channel = channels[name]
                    after = round(channel.appended * amount / 100)
                    readers.append((name, Reader(channel, journal, after, room=amount % 4)))
                case "fail":
                    journal.failing_writes = amount
                case "trim":
                    await log.trim()
                case _:
                    await turn_of_the_loop(amount)
        for channel in channels.values():
            await end(channel)
        for name, reader in readers:
            await reader.finish(channels[name].appended)
        assert {name: journal.newest[name] for name in "cd"} == {
            name: channel.appended for name, channel in channels.items()
        }
        await log.close()

    with pytest.MonkeyPatch.context() as patched:
        for name, size in SMALL.items():
            patched.setattr(channel_module, name, size)
        patched.setattr(log_module, "MAX_GROUP", group)
        patched.setattr(log_module.logger, "disabled", True)
        asyncio.run(scenario())
