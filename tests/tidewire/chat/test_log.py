"""The log in memory: numbered, followed from anywhere, forgotten in time."""

import asyncio
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tidewire.chat.scripted import WAIT_SECONDS
from tidewire.chat.events import TextDelta
from tidewire.chat.log import Channel, EventId, MemoryLog


def add(channel: Channel, *words: str, turn: str = "turn") -> list[EventId]:
    return [channel.append(turn, TextDelta(content=word)) for word in words]


async def read(channel: Channel, after: EventId, count: int) -> list[str]:
    """The next `count` texts."""
    found: list[str] = []
    async with asyncio.timeout(WAIT_SECONDS), aclosing(channel.follow(after)) as entries:
        while len(found) < count:
            entry = await anext(entries)
            assert isinstance(entry.event, TextDelta)
            found.append(entry.event.content)
    return found


async def timers_due() -> None:
    """Let every timer fire whose time has come."""
    fired = asyncio.Event()
    asyncio.get_running_loop().call_later(0, fired.set)
    await fired.wait()


# ---------- ids


@pytest.mark.parametrize("number", [1, 42, 10**18 - 1])
def test_an_id_reads_as_it_was_written(number: int) -> None:
    event_id = EventId("0a1b", number)
    assert EventId.parse(str(event_id)) == event_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "a.",
        ".1",
        "a.-1",
        "a.1.2",
        "A.1",
        "a.1\n",
        " a.1",
        "a.\u0661",
        f"a.{10**18}",
        "a" * 33 + ".1",
    ],
)
def test_what_is_not_ours_is_no_id(text: str) -> None:
    assert EventId.parse(text) is None


# ---------- one channel


def test_entries_are_numbered_from_one_in_an_epoch_of_their_own() -> None:
    channel, other = Channel(), Channel()
    assert channel.last == EventId(channel.epoch, 0)
    assert add(channel, "a", "b") == [EventId(channel.epoch, 1), EventId(channel.epoch, 2)]
    assert channel.last.number == 2
    assert channel.epoch != other.epoch


def test_entries_are_found_by_their_ids() -> None:
    channel, other = Channel(), Channel()
    first, second = add(channel, "a", "b")
    [foreign] = add(other, "a")
    found = channel.entry(second)
    assert found is not None
    assert (found.id, found.turn_id, found.event) == (second, "turn", TextDelta(content="b"))
    assert [channel.has(each) for each in (first, channel.last, EventId(channel.epoch, 0))] == [True] * 3
    beyond = EventId(channel.epoch, 3)
    assert [channel.has(each) for each in (beyond, foreign)] == [False, False]
    assert [channel.entry(each) for each in (beyond, foreign, EventId(channel.epoch, 0))] == [None] * 3


def test_a_turn_begins_before_its_first_entry() -> None:
    channel = Channel()
    add(channel, "a", "b", turn="one")
    add(channel, "c", turn="two")
    starts = [channel.start_of(turn) for turn in ("one", "two", "three")]
    assert starts == [EventId(channel.epoch, 0), EventId(channel.epoch, 2), None]


async def test_a_reader_gets_what_is_there_and_what_comes() -> None:
    channel = Channel()
    first, _ = add(channel, "a", "b")
    reading = asyncio.create_task(read(channel, first, 3))
    await asyncio.sleep(0)
    add(channel, "c", "d")
    assert await reading == ["b", "c", "d"]


async def test_a_reader_that_leaves_does_not_disturb_another() -> None:
    channel = Channel()
    start = channel.last
    staying = asyncio.create_task(read(channel, start, 2))
    leaving = asyncio.create_task(read(channel, start, 2))
    await asyncio.sleep(0)
    assert channel.readers == 2
    leaving.cancel()
    add(channel, "a", "b")
    assert await staying == ["a", "b"]
    assert leaving.cancelled()
    assert channel.readers == 0


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.data())
def test_every_reader_gets_all_after_its_place_once_and_in_order(
    bursts: list[int], data: st.DataObject
) -> None:
    async def scenario() -> None:
        channel, written = Channel(), 0
        readers: list[tuple[int, asyncio.Task[list[str]]]] = []
        for burst in bursts:
            after = data.draw(st.integers(0, written))
            rest = sum(bursts) - after
            reader = asyncio.create_task(read(channel, EventId(channel.epoch, after), rest))
            readers.append((after, reader))
            for _ in range(data.draw(st.integers(0, 2))):
                await asyncio.sleep(0)
            add(channel, *map(str, range(written, written + burst)))
            written += burst
        for after, reader in readers:
            assert await reader == [str(number) for number in range(after, written)]

    asyncio.run(scenario())


# ---------- all channels


async def test_a_conversation_keeps_its_channel_while_it_is_open() -> None:
    log = MemoryLog(retention=0)
    assert log.find("c") is None
    channel = log.open("c")
    await timers_due()
    assert log.open("c") is log.find("c") is channel
    assert log.open("d") is not channel


async def test_a_channel_is_forgotten_some_time_after_its_last_turn() -> None:
    log = MemoryLog(retention=0)
    channel = log.open("c")
    log.release("c")
    assert log.find("c") is channel
    await timers_due()
    assert log.find("c") is None
    assert log.open("c").epoch != channel.epoch


async def test_the_next_turn_keeps_the_channel() -> None:
    log = MemoryLog(retention=0)
    channel = log.open("c")
    log.release("c")
    assert log.open("c") is channel
    await timers_due()
    assert log.find("c") is channel


async def test_a_channel_that_is_being_read_is_not_forgotten() -> None:
    log = MemoryLog(retention=0)
    channel = log.open("c")
    reading = asyncio.create_task(read(channel, channel.last, 1))
    await asyncio.sleep(0)
    log.release("c")
    await timers_due()
    assert log.find("c") is channel
    add(channel, "a")
    await reading
    await timers_due()
    assert log.find("c") is None


@pytest.mark.parametrize("close", [True, False], ids=["close", "forget"])
async def test_forgetting_leaves_no_timer_behind(close: bool) -> None:
    log = MemoryLog(retention=0)
    for name in ("c", "d"):
        log.open(name)
        log.release(name)
    if close:
        log.close()
    else:
        log.forget("c")
        log.forget("d")
        log.forget("unknown")
    assert (log.find("c"), log.find("d")) == (None, None)
    fresh = log.open("c")
    await timers_due()
    assert log.find("c") is fresh


async def test_who_reads_a_forgotten_channel_keeps_what_it_has() -> None:
    log = MemoryLog()
    channel = log.open("c")
    add(channel, "a")
    log.forget("c")
    assert await read(channel, EventId(channel.epoch, 0), 1) == ["a"]
