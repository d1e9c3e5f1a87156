"""Many at once, a locked file, cancellation, memory."""

import asyncio
import sqlite3
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection

from tests.tidewire.chat.store.turns import NewTurn
from tidewire.chat.models import Conversation
from tidewire.chat.store import Store, StoreError
from tidewire.chat.store.database import Database
from tidewire.chat.store.url import parse_database_url


@pytest.fixture
async def impatient(tmp_path: Path) -> AsyncIterator[Store]:
    """A store on `chat.db` that gives up on a locked file after 50 ms."""
    store = await Store.open(f"sqlite:///{tmp_path}/chat.db?timeout=0.05")
    yield store
    await store.close()


@pytest.fixture
def other_process(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "chat.db", isolation_level=None)
    yield connection
    connection.close()


async def test_two_hundred_conversations_take_their_turns_at_once(store: Store, new_turn: NewTurn) -> None:
    async def chat(n: int) -> None:
        conversation = await store.conversations.create(f"owner {n}")
        user, answer = new_turn(conversation.id, f"question {n}")
        await store.messages.begin_turn(f"owner {n}", user, answer)
        done = msgspec.structs.replace(answer, status="ok", content=f"answer {n}")
        assert await store.messages.save(done)
        assert await store.messages.history(conversation.id, limit=10) == [user, done]

    await asyncio.gather(*(chat(n) for n in range(200)))


async def test_two_stores_write_into_one_file_without_refusing_each_other(
    url: str, store: Store, new_turn: NewTurn
) -> None:
    other = await Store.open(url)
    try:
        conversations = await asyncio.gather(*(store.conversations.create("ann") for _ in range(40)))
        await asyncio.gather(
            *(
                (store, other)[n % 2].messages.begin_turn("ann", *new_turn(conversation.id))
                for n, conversation in enumerate(conversations)
            )
        )
    finally:
        await other.close()
    assert len(await store.messages.streaming_turns()) == 40


async def test_locked_file_is_a_store_error_that_tells_clients_nothing(
    impatient: Store, other_process: sqlite3.Connection, new_turn: NewTurn
) -> None:
    conversation = await impatient.conversations.create("ann")
    turn = new_turn(conversation.id)
    other_process.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"^The database is busy or unavailable\.$") as caught:
        await impatient.messages.begin_turn("ann", *turn)
    assert "locked" in str(caught.value.__cause__)

    assert await impatient.messages.history(conversation.id, limit=10) == []
    other_process.execute("ROLLBACK")
    await impatient.messages.begin_turn("ann", *turn)


async def test_full_database_is_a_store_error_and_leaves_it_usable(
    impatient: Store, other_process: sqlite3.Connection, new_turn: NewTurn
) -> None:
    conversation = await impatient.conversations.create("ann")
    # Stands for a full disk, which SQLite reports in the same way: from inside a statement.
    other_process.execute(
        "CREATE TRIGGER full BEFORE INSERT ON messages BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    )
    turn = new_turn(conversation.id)
    with pytest.raises(StoreError):
        await impatient.messages.begin_turn("ann", *turn)
    other_process.execute("DROP TRIGGER full")
    await impatient.messages.begin_turn("ann", *turn)
    assert len(await impatient.messages.turn(turn[0].turn_id)) == 2


async def test_what_a_user_wrote_is_not_in_the_error(
    store: Store, conversation: Conversation, new_turn: NewTurn
) -> None:
    user, answer = new_turn(conversation.id, "My password is 1234.")
    await store.messages.begin_turn("ann", user, answer)
    await store.messages.save(msgspec.structs.replace(answer, status="ok"))
    with pytest.raises(StoreError) as caught:
        await store.messages.begin_turn("ann", user, answer)
    # As the log shows it.
    assert "password" not in "".join(traceback.format_exception(caught.value))


async def test_write_cancelled_at_any_point_is_whole_or_absent_and_the_next_one_works(
    store: Store, conversation: Conversation, new_turn: NewTurn
) -> None:
    ticks = 0
    while True:
        user, answer = new_turn(conversation.id)
        write = asyncio.create_task(store.messages.begin_turn("ann", user, answer))
        for _ in range(ticks):
            await asyncio.sleep(0)
        finished = not write.cancel()
        await asyncio.wait([write])
        other = await store.conversations.create("ann")
        await store.messages.begin_turn("ann", *new_turn(other.id))
        assert await store.messages.turn(user.turn_id) in ([], [user, answer])
        await store.messages.save(msgspec.structs.replace(answer, status="ok"))
        if finished:
            break
        ticks += 1 + ticks // 4
    assert ticks > 10


async def test_cancelled_caller_is_let_go_while_its_write_still_waits_for_the_file(
    sqlite_url: str, other_process: sqlite3.Connection, new_turn: NewTurn
) -> None:
    store = await Store.open(sqlite_url)
    conversation = await store.conversations.create("ann")
    user, answer = new_turn(conversation.id)
    other_process.execute("BEGIN IMMEDIATE")
    write = asyncio.create_task(store.messages.begin_turn("ann", user, answer))
    queued = asyncio.create_task(store.messages.begin_turn("ann", *new_turn(conversation.id)))
    # A read of the same store goes its way meanwhile, and gives the write time to reach the lock.
    assert await store.messages.turn(user.turn_id) == []
    for task in (write, queued):
        task.cancel()
    await asyncio.wait([write, queued])
    assert write.cancelled()
    assert queued.cancelled()

    other_process.execute("ROLLBACK")
    await store.close()
    reopened = await Store.open(sqlite_url)
    assert await reopened.messages.history(conversation.id, limit=10) == [user, answer]
    await reopened.close()


async def test_failure_that_no_caller_hears_is_logged(
    impatient: Store, other_process: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    other_process.execute("BEGIN IMMEDIATE")
    write = asyncio.create_task(impatient.conversations.create("ann"))
    await impatient.conversations.get("ann", "nope")
    write.cancel()
    await asyncio.wait([write])
    await impatient.close()
    assert "after its caller was cancelled" in caplog.text


async def test_database_in_memory_serves_many_at_once_and_survives_cancellation(new_turn: NewTurn) -> None:
    store = await Store.open("sqlite://")
    conversations = [await store.conversations.create("ann") for _ in range(20)]
    writes = [
        asyncio.create_task(store.messages.begin_turn("ann", *new_turn(each.id))) for each in conversations
    ]
    reads = [asyncio.create_task(store.messages.history(each.id, limit=50)) for each in conversations]
    await reads[0]
    writes[-1].cancel()
    reads[-1].cancel()
    await asyncio.wait([*writes, *reads])
    assert {len(await read) % 2 for read in reads[:-1]} == {0}
    assert len(await store.messages.streaming_turns()) in (19, 20)
    await store.close()


async def test_closed_store_refuses_instead_of_reconnecting(url: str) -> None:
    store = await Store.open(url)
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.conversations.create("ann")


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)]
)
async def test_file_is_set_up_for_durable_commits_and_unhindered_readers(
    sqlite_url: str, pragma: str, value: object
) -> None:
    database = Database.connect(parse_database_url(sqlite_url))

    def ask(connection: Connection) -> object:
        return connection.exec_driver_sql(f"PRAGMA {pragma}").scalar()

    assert await database.read(ask) == value
    await database.close()


async def test_new_file_that_stays_locked_is_given_up(
    other_process: sqlite3.Connection, tmp_path: Path
) -> None:
    other_process.execute("CREATE TABLE t (x)")
    other_process.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match=r"chat\.db\?timeout=0\.05 cannot be opened: database is locked\.$"):
        await Store.open(f"sqlite:///{tmp_path}/chat.db?timeout=0.05")
    other_process.execute("ROLLBACK")
    await (await Store.open(f"sqlite:///{tmp_path}/chat.db")).close()
