"""The short way of rows into an SQLite file: whole, in order, and still there after a failure."""

import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tidewire.chat.events import TextDelta
from tidewire.chat.log import Written
from tidewire.chat.store import Store, StoreError

CONVERSATION = "0123456789abcdef"


def entries(*numbers: int) -> list[Written]:
    return [Written.of(CONVERSATION, number, "turn", TextDelta(content=f"é{number}\n")) for number in numbers]


@pytest.fixture
async def impatient(tmp_path: Path) -> AsyncIterator[Store]:
    """A store on `chat.db` that gives up on a locked file after 50 ms."""
    store = await Store.open(f"sqlite:///{tmp_path}/chat.db?timeout=0.05")
    yield store
    await store.close()


async def kept(store: Store) -> list[int]:
    read = await store.events.read(CONVERSATION, 0, limit=10_000, max_size=1 << 30)
    for entry in read:
        assert entry.data == TextDelta(content=f"é{entry.place.number}\n")
    return [entry.place.number for entry in read]


async def test_rows_are_written_in_their_order_however_many(store: Store) -> None:
    await store.events.write(entries(1))
    await store.events.write(entries(*range(2, 5_002)))
    assert await kept(store) == list(range(1, 5_002))


@pytest.mark.parametrize("taken", [1, 2, 3])
async def test_rows_are_written_all_or_none_and_the_next_ones_after_a_failure(
    store: Store, taken: int
) -> None:
    await store.events.write(entries(taken))
    with pytest.raises(StoreError):
        await store.events.write(entries(1, 2, 3))
    assert await kept(store) == [taken]
    await store.events.write(entries(4, 5))
    assert await kept(store) == [taken, 4, 5]


async def test_a_locked_file_is_given_up_within_the_busy_timeout_and_tried_anew(
    impatient: Store, tmp_path: Path
) -> None:
    await impatient.events.write(entries(1))
    other_process = sqlite3.connect(tmp_path / "chat.db", isolation_level=None)
    try:
        other_process.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(StoreError, match="busy or unavailable"):
            await impatient.events.write(entries(2))
        # 50 ms, of the busy handler's; the default would be a hundred times as long.
        assert time.monotonic() - began < 4.0
        assert await kept(impatient) == [1]
        other_process.execute("ROLLBACK")
    finally:
        other_process.close()
    await impatient.events.write(entries(2, 3))
    assert await kept(impatient) == [1, 2, 3]


async def test_a_connection_that_cannot_be_opened_is_opened_by_the_next(
    impatient: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    with monkeypatch.context() as broken:
        broken.setattr("tidewire.chat.store.database.connect_appender", fail)
        with pytest.raises(StoreError):
            await impatient.events.write(entries(1))
    await impatient.events.write(entries(1))
    assert await kept(impatient) == [1]


async def test_a_closed_store_keeps_no_connection_and_opens_none(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/chat.db")
    await store.events.write(entries(1))
    assert (tmp_path / "chat.db-wal").exists()
    await store.close()
    # The last connection takes it along.
    assert not (tmp_path / "chat.db-wal").exists()
    with pytest.raises(StoreError, match="closed"):
        await store.events.write(entries(2))
    assert not (tmp_path / "chat.db-wal").exists()
