"""Who uses a database, told without clocks."""

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.processes import START_SECONDS
from tests.tidewire.chat.scripted import WAIT_SECONDS
from tidewire.chat.store import Store, StoreError

HOLDER = """
import asyncio, sys
from tidewire.chat.store import Store

async def main():
    store = await Store.open(sys.argv[1])
    async with store.servers.alone() as alone:
        print(alone, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def is_alone(store: Store) -> bool:
    async with store.servers.alone() as alone:
        return alone


async def test_the_first_server_is_alone_until_another_comes_and_after_it_left(url: str) -> None:
    first, second = await Store.open(url), await Store.open(url)
    assert await is_alone(first)
    assert await is_alone(first)
    assert not await is_alone(second)
    assert not await is_alone(first)
    await second.servers.leave()
    assert await is_alone(first)
    await first.close()
    assert await is_alone(second)
    await second.close()


async def test_a_server_is_counted_once_however_many_look_at_once(url: str) -> None:
    store = await Store.open(url)
    assert await asyncio.gather(*(is_alone(store) for _ in range(4))) == [True] * 4
    # As after a lost connection.
    await store.servers.leave()
    assert await asyncio.gather(*(is_alone(store) for _ in range(4))) == [True] * 4
    await store.close()


async def test_none_comes_while_another_looks(url: str) -> None:
    first, second = await Store.open(url), await Store.open(url)
    async with first.servers.alone() as alone:
        assert alone
        looking = asyncio.create_task(is_alone(second))
        await first.messages.streaming_turns()
        assert not looking.done()
    assert not await looking
    await first.close()
    await second.close()


async def test_a_server_that_waits_is_not_overlooked_by_a_third(url: str) -> None:
    async with AsyncExitStack() as stack:
        stores = [await Store.open(url) for _ in range(3)]
        for store in stores:
            stack.push_async_callback(store.close)
        first, second, third = stores
        assert await is_alone(first)
        assert not await is_alone(second)
        await first.servers.leave()
        assert not await is_alone(third)
        assert not await is_alone(second)


async def test_a_killed_server_is_gone_at_once(url: str) -> None:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, url, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            assert await holder.stdout.readline() == b"True\n"
        store = await Store.open(url)
        assert not await is_alone(store)
    finally:
        holder.kill()
        await holder.wait()
    # PostgreSQL has to notice that the connection is gone; a file's lock ends with the process.
    async with asyncio.timeout(WAIT_SECONDS):
        while not await is_alone(store):
            pass
    await store.close()


async def test_nothing_is_left_of_servers_that_ended_or_died(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'chat.db'}"
    folder = tmp_path / "chat.db.servers"
    folder.mkdir()
    (folder / "dead.lock").touch()
    store = await Store.open(url)
    assert await is_alone(store)
    assert len(list(folder.glob("*.lock"))) == 1
    await store.close()
    assert list(folder.glob("*.lock")) == []


async def test_a_database_in_memory_is_nobody_elses() -> None:
    store = await Store.open("sqlite://")
    assert await is_alone(store)
    await store.close()


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path / 'chat.db'}")
    (tmp_path / "chat.db.servers").touch()
    with pytest.raises(StoreError, match=r"chat\.db\.servers"):
        await is_alone(store)
    await store.close()
