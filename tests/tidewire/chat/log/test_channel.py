"""One conversation's entries: visible once they are written, followed from anywhere."""

import asyncio
import gc
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from math import inf
from typing import TypeVar

import pytest

from tests.tidewire.chat.log.journal import (
    EPOCH,
    UNAVAILABLE,
    MemoryJournal,
    add,
    complete,
    lists_of,
    turn_of_the_loop,
    word,
)
from tests.tidewire.chat.scripted import WAIT_SECONDS
from tidewire.chat.events import MessageEvent, ReasoningDelta, Start, TextDelta, ToolCallComplete
from tidewire.chat.log import Channel, Entry, EventId, Kept, LogFailingError, LogGapError, Written
from tidewire.chat.log import channel as channel_module
from tidewire.chat.log.coalescing import LAG
from tidewire.chat.store import StoreError

T = TypeVar("T")

START = Start(turn_id="turn", message_id="m", user_message_id="u", model="x")


class Hand:
    """A channel that is written by hand, as the log does it."""

    def __init__(self, journal: MemoryJournal, *, number: int = 0, patience: float = inf) -> None:
        self.journal = journal
        self.woken: list[bool] = []
        position = EventId(EPOCH, number)
        self.channel = Channel("c", position, journal, wake=self._wake, patience=patience)

    def _wake(self, channel: Channel, is_news: bool) -> None:
        assert channel is self.channel
        self.woken.append(is_news)

    def write(self, count: int | None = None) -> list[Kept]:
        pending = self.channel.pending[:count]
        self.journal.keep(pending)
        return self.channel.publish(len(pending))


@pytest.fixture
def hand() -> Hand:
    return Hand(MemoryJournal())


async def read(channel: Channel, after: int, up_to: int) -> list[Entry]:
    """The entries from one number to another."""
    found: list[Entry] = []
    async with asyncio.timeout(WAIT_SECONDS), aclosing(lists_of(channel, after)) as lists:
        async for entries in lists:
            assert entries
            found += entries
            if found[-1].place.number >= up_to:
                return found
    raise AssertionError


async def started(reading: asyncio.Task[T]) -> asyncio.Task[T]:
    """A reader that has come to wait, if it has to."""
    await turn_of_the_loop(5)
    return reading


def numbers(entries: Sequence[Entry]) -> list[int]:
    return [entry.place.number for entry in entries]


# ---------- writing


def test_entries_are_numbered_after_the_newest_that_was_there() -> None:
    hand = Hand(MemoryJournal(), number=7)
    assert add(hand.channel, "a", "b") == [EventId(EPOCH, 8), EventId(EPOCH, 9)]
    assert (hand.channel.appended, hand.channel.written) == (9, 7)


async def test_an_entry_is_not_seen_before_it_is_written(hand: Hand) -> None:
    add(hand.channel, "a", "b", "c")
    reading = await started(asyncio.create_task(read(hand.channel, 0, 2)))
    assert not reading.done()
    hand.write(2)
    assert numbers(await reading) == [1, 2]
    assert (hand.channel.appended, hand.channel.written) == (3, 2)


async def test_who_waits_for_an_entry_to_be_written_goes_on_with_it(hand: Hand) -> None:
    add(hand.channel, "a", "b")
    await hand.channel.until(0)
    waiting = await started(asyncio.create_task(hand.channel.until(2)))
    hand.write(1)
    await started(waiting)
    assert not waiting.done()
    hand.write(1)
    await waiting


def test_a_writer_is_told_of_its_entry_before_readers_see_it(hand: Hand) -> None:
    seen: list[int] = []
    add(hand.channel, "a")
    hand.channel.append("turn", complete(), lambda: seen.append(hand.channel.written))
    hand.write(1)
    assert not seen
    hand.write()
    assert seen == [1]


def test_what_is_no_json_is_not_added(hand: Hand) -> None:
    result = ToolCallComplete(
        tool_call_id="1", tool_name="f", args=None, result=object(), is_error=False, duration_ms=0
    )
    with pytest.raises(TypeError):
        hand.channel.append("turn", result)
    with pytest.raises(UnicodeEncodeError):
        hand.channel.append("turn", word("\ud83d"))
    assert (hand.channel.appended, hand.channel.pending, hand.woken) == (0, [], [])
    assert add(hand.channel, "a") == [EventId(EPOCH, 1)]


@pytest.mark.parametrize(
    ("events", "woken"),
    [
        ([word("a"), word("b"), word("c")], [True, False, False]),
        ([word("a"), ReasoningDelta(content="b")], [True, False]),
        ([word("a"), START, word("b"), word("c")], [True, True, True, False]),
        ([word("a"), complete(), complete()], [True, True, True]),
    ],
)
def test_pieces_of_text_can_wait_for_each_other_and_all_else_is_news(
    hand: Hand, events: list[MessageEvent], woken: list[bool]
) -> None:
    for event in events:
        hand.channel.append("turn", event)
    assert hand.woken == woken


def test_an_entry_is_written_as_json_with_its_tag(hand: Hand) -> None:
    hand.channel.append("turn", word("é\u2028"))
    assert hand.channel.pending == [
        Written("c", 1, "turn", "text_delta", '{"type":"text_delta","content":"é\u2028"}')
    ]


def test_turns_that_ended_are_given_with_their_size(hand: Hand) -> None:
    for turn in ("one", "two"):
        hand.channel.append(turn, word("x" * 100))
        hand.channel.append(turn, complete(turn))
    hand.channel.append("three", word("x"))
    size = sum(len(written.payload) for written in hand.channel.pending[:2])
    assert [*hand.write(1), *hand.write()] == [Kept("c", 2, size), Kept("c", 4, size)]


def test_a_writer_has_to_wait_once_too_much_is_pending(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "MAX_PENDING", 100)
    seen: list[bool] = []
    for step in (
        lambda: add(hand.channel, "x" * 50),
        lambda: add(hand.channel, "x" * 50),
        lambda: hand.write(1),
    ):
        step()
        seen.append(hand.channel.full)
    assert seen == [False, True, False]


# ---------- a journal that fails


async def test_readers_and_writers_wait_patiently_for_a_journal_that_fails(hand: Hand) -> None:
    add(hand.channel, "a")
    reading = await started(asyncio.create_task(read(hand.channel, 0, 1)))
    waiting = await started(asyncio.create_task(hand.channel.until(1)))
    hand.channel.fail(UNAVAILABLE)
    await started(reading)
    assert (hand.channel.failure, reading.done(), waiting.done()) == (UNAVAILABLE, False, False)
    hand.write()
    assert numbers(await reading) == [1]
    await waiting
    assert hand.channel.failure is None


async def test_patience_ends(hand: Hand) -> None:
    hand = Hand(hand.journal, patience=0)
    add(hand.channel, "a", "b")
    hand.write(1)
    reading = await started(asyncio.create_task(read(hand.channel, 0, 2)))
    waiting = await started(asyncio.create_task(hand.channel.until(2)))
    hand.channel.fail(UNAVAILABLE)
    for task in (reading, waiting):
        with pytest.raises(LogFailingError) as caught:
            await task
        assert caught.value.__cause__ is UNAVAILABLE
    assert numbers(await read(hand.channel, 0, 1)) == [1]


async def test_patience_counts_from_the_first_of_several_failures(hand: Hand) -> None:
    loop = asyncio.get_running_loop()
    hand = Hand(hand.journal, patience=1)
    add(hand.channel, "a")
    now = loop.time()
    with pytest.MonkeyPatch.context() as patched:
        for passed, patient in ((0.0, True), (0.9, True), (1.1, False)):
            patched.setattr(loop, "time", lambda at=now + passed: at)
            hand.channel.fail(UNAVAILABLE)
            waiting = await started(asyncio.create_task(hand.channel.until(1)))
            assert waiting.done() is not patient
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)


# ---------- reading


async def test_a_reader_gets_what_is_there_and_what_comes(hand: Hand) -> None:
    add(hand.channel, "a", "b")
    hand.write()
    reading = await started(asyncio.create_task(read(hand.channel, 1, 4)))
    add(hand.channel, "c", "d")
    hand.write()
    found = await reading
    assert [entry.data for entry in found] == [word("b"), word("c"), word("d")]
    assert {entry.turn_id for entry in found} == {"turn"}


async def test_a_reader_that_leaves_does_not_disturb_another(hand: Hand) -> None:
    staying = await started(asyncio.create_task(read(hand.channel, 0, 2)))
    leaving = await started(asyncio.create_task(read(hand.channel, 0, 2)))
    leaving.cancel()
    add(hand.channel, "a", "b")
    hand.write()
    assert numbers(await staying) == [1, 2]
    assert leaving.cancelled()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def shrink(**sizes: int) -> None:
        for name, size in sizes.items():
            monkeypatch.setattr(channel_module, name, size)

    return shrink


async def test_the_newest_entries_are_read_without_the_journal(
    hand: Hand, small: Callable[..., None]
) -> None:
    small(TAIL=4)
    add(hand.channel, *"abcdefghij")
    hand.write()
    assert numbers(await read(hand.channel, 6, 10)) == [7, 8, 9, 10]
    assert hand.journal.reads == 0
    assert numbers(await read(hand.channel, 5, 10)) == [6, 7, 8, 9, 10]
    assert hand.journal.reads == 1


async def test_large_entries_are_not_kept_in_memory(hand: Hand, small: Callable[..., None]) -> None:
    small(TAIL_SIZE=100)
    add(hand.channel, "x" * 1000)
    hand.write()
    assert numbers(await read(hand.channel, 0, 1)) == [1]
    assert hand.journal.reads == 1
    add(hand.channel, "a", "b")
    hand.write()
    assert numbers(await read(hand.channel, 1, 3)) == [2, 3]
    assert hand.journal.reads == 1


async def test_a_reader_far_behind_takes_pages_of_bounded_length_and_size(
    hand: Hand, small: Callable[..., None]
) -> None:
    small(TAIL=2, PAGE=4, PAGE_SIZE=200)
    add(hand.channel, *"abcdefghij", "x" * 300, "y" * 300, *"abcd")
    hand.write()
    pages: list[list[int]] = []
    async with aclosing(lists_of(hand.channel, 0)) as lists:
        while not pages or pages[-1][-1] < 16:
            pages.append(numbers(await anext(lists)))
    assert pages == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11], [12], [13, 14, 15, 16]]


async def test_a_reader_that_lags_a_little_takes_pages_of_bounded_size_too(
    hand: Hand, small: Callable[..., None]
) -> None:
    small(PAGE_SIZE=200)
    add(hand.channel, "x" * 150, "y" * 150, *"abc")
    hand.write()
    assert [numbers(await hand.channel.read(after)) for after in (0, 1, 2)] == [[1, 2], [2, 3], [3, 4, 5]]
    assert hand.journal.reads == 0


async def test_what_is_dropped_from_memory_is_read_from_the_journal(hand: Hand) -> None:
    add(hand.channel, *"abc")
    hand.write()
    hand.channel.drop_tail(2)
    assert numbers(await hand.channel.read(2)) == [3]
    assert hand.journal.reads == 0
    assert numbers(await hand.channel.read(0)) == [1, 2, 3]
    assert hand.journal.reads == 1
    hand.channel.drop_tail(3)
    add(hand.channel, "d")
    hand.write()
    assert numbers(await hand.channel.read(3)) == [4]
    assert hand.journal.reads == 1


async def test_what_is_no_longer_kept_is_a_gap(hand: Hand, small: Callable[..., None]) -> None:
    small(TAIL=2)
    add(hand.channel, *"abc")
    hand.channel.append("turn", complete())
    kept = hand.write()
    add(hand.channel, *"defg", turn="next")
    hand.write()
    assert numbers(await read(hand.channel, 3, 8)) == [4, 5, 6, 7, 8]
    await hand.journal.trim(kept)
    with pytest.raises(LogGapError):
        await read(hand.channel, 3, 8)
    assert numbers(await read(hand.channel, 4, 8)) == [5, 6, 7, 8]


async def test_a_journal_that_has_lost_everything_is_a_gap() -> None:
    hand = Hand(MemoryJournal(), number=7)
    with pytest.raises(LogGapError):
        await read(hand.channel, 6, 7)


async def test_a_journal_that_cannot_be_read_is_said_to_the_reader(hand: Hand) -> None:
    hand = Hand(hand.journal, number=7)
    hand.journal.failures = 1
    with pytest.raises(StoreError):
        await read(hand.channel, 0, 7)


# ---------- other servers


async def test_what_another_server_wrote_is_read_from_the_journal(hand: Hand) -> None:
    reading = await started(asyncio.create_task(read(hand.channel, 0, 2)))
    hand.journal.keep([Written.of("c", number, "turn", word("a")) for number in (1, 2)])
    hand.channel.others_wrote(2)
    assert [entry.data for entry in await reading] == [TextDelta(content="a")] * 2
    hand.channel.others_wrote(1)
    assert hand.channel.written == 2
    assert add(hand.channel, "b") == [EventId(EPOCH, 3)]


def test_what_another_server_wrote_does_not_count_while_this_one_writes(hand: Hand) -> None:
    add(hand.channel, "a")
    hand.channel.others_wrote(5)
    assert (hand.channel.appended, hand.channel.written) == (1, 0)


# ---------- following


class Follower:
    """Takes as much as it is told to."""

    def __init__(self, room: float = inf) -> None:
        self.room = room
        self.taken: list[Entry] = []
        self.stops = 0

    def take(self, entries: Sequence[Entry]) -> bool:
        self.taken += entries
        self.room -= 1
        return self.room > 0

    def stop(self) -> None:
        self.stops += 1


async def test_who_follows_is_handed_what_is_written_and_nothing_else(hand: Hand) -> None:
    follower = Follower()
    assert hand.channel.follow(follower, 0)
    add(hand.channel, "a", "b", "c")
    assert not follower.taken
    hand.write(2)
    assert numbers(follower.taken) == [1, 2]
    hand.write()
    assert numbers(follower.taken) == [1, 2, 3]
    hand.channel.unfollow(follower)
    add(hand.channel, "d")
    hand.write()
    assert (numbers(follower.taken), follower.stops) == ([1, 2, 3], 0)
    assert hand.journal.reads == 0


async def test_only_who_has_the_newest_entry_can_follow(hand: Hand) -> None:
    add(hand.channel, "a", "b")
    hand.write()
    assert not hand.channel.follow(Follower(), 1)
    assert hand.channel.follow(Follower(), 2)


async def test_who_takes_no_more_is_handed_no_more_and_the_others_are(hand: Hand) -> None:
    short, long = Follower(room=1), Follower()
    assert hand.channel.follow(short, 0)
    assert hand.channel.follow(long, 0)
    for letter in "ab":
        add(hand.channel, letter)
        hand.write()
    assert (numbers(short.taken), numbers(long.taken)) == ([1], [1, 2])


async def test_many_entries_are_handed_over_as_few(hand: Hand) -> None:
    follower = Follower()
    hand.channel.follow(follower, 0)
    add(hand.channel, *"x" * (LAG + 1))
    hand.write()
    [entry] = follower.taken
    assert (entry.place.number, entry.data) == (LAG + 1, word("x" * (LAG + 1)))


@pytest.mark.parametrize(
    "happen",
    [
        lambda channel: channel.fail(UNAVAILABLE),
        lambda channel: channel.end(),
        lambda channel: channel.give_up(),
        lambda channel: channel.others_wrote(5),
    ],
    ids=["fail", "end", "give up", "others wrote"],
)
async def test_what_can_only_be_read_ends_the_following(
    hand: Hand, happen: Callable[[Channel], None]
) -> None:
    follower = Follower()
    hand.channel.follow(follower, 0)
    happen(hand.channel)
    assert (follower.stops, follower.taken) == (1, [])
    assert not hand.channel.follow(follower, 0)


async def test_after_a_failure_it_can_be_followed_again(hand: Hand) -> None:
    add(hand.channel, "a")
    hand.channel.fail(UNAVAILABLE)
    hand.write()
    assert hand.channel.follow(Follower(), 1)


async def test_readers_that_are_gone_leave_nothing_behind(hand: Hand) -> None:
    async def read_and_go() -> None:
        reading = await started(asyncio.create_task(hand.channel.read(0)))
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading

    def futures() -> int:
        gc.collect()
        return sum(isinstance(each, asyncio.Future) for each in gc.get_objects())

    await read_and_go()
    before = futures()
    for _ in range(10):
        await read_and_go()
    assert futures() <= before


async def test_a_reader_that_goes_as_it_is_woken_takes_nothing_from_another(hand: Hand) -> None:
    one, other = [await started(asyncio.create_task(hand.channel.read(0))) for _ in range(2)]
    one.cancel()
    add(hand.channel, "a")
    hand.write()
    assert numbers(await other) == [1]
    with pytest.raises(asyncio.CancelledError):
        await one
