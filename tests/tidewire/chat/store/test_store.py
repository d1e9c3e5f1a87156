"""Opening: addresses, new files, old and newer tables, several processes at once."""

import asyncio
import os
import sqlite3
import sys
from pathlib import Path

import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from tidewire.chat.log import EventId
from tidewire.chat.store import DatabaseUrlError, NewerDatabaseError, Store, StoreError
from tidewire.chat.store import url as url_module
from tidewire.chat.store.migrate import LOCATION
from tidewire.chat.store.tables import metadata
from tidewire.chat.store.url import parse_database_url, patience, shown

OPEN_WHEN_TOLD = """
import asyncio, sys
from tidewire.chat.store import Store

async def main():
    print("ready", flush=True)
    sys.stdin.readline()
    store = await Store.open(sys.argv[1])
    await store.conversations.create("ann")
    await store.close()

asyncio.run(main())
"""


@pytest.fixture
def is_new() -> bool:
    """What is tested here is what opening a new one does."""
    return True


async def test_migrations_build_exactly_the_tables_of_the_code(url: str) -> None:
    await (await Store.open(url)).close()
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        difference = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    assert difference == []


async def test_opening_again_keeps_what_is_there(url: str) -> None:
    store = await Store.open(url)
    created = await store.conversations.create("ann")
    await store.close()
    store = await Store.open(url)
    assert await store.conversations.get("ann", created.id) == created
    await store.close()


async def test_missing_folder_is_made(tmp_path: Path) -> None:
    await (await Store.open(f"sqlite:///{tmp_path}/new/deep/chat.db")).close()
    assert (tmp_path / "new/deep/chat.db").is_file()


async def test_many_stores_open_one_new_database_at_once(url: str) -> None:
    stores = await asyncio.gather(*(Store.open(url) for _ in range(8)))
    await stores[0].conversations.create("ann")
    for store in stores:
        assert len((await store.conversations.page("ann", limit=5)).items) == 1
        await store.close()


async def test_two_processes_open_one_new_database_at_once(url: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", OPEN_WHEN_TOLD, url,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment,
        )
        for _ in range(2)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0, 0]
    store = await Store.open(url)
    assert len((await store.conversations.page("ann", limit=5)).items) == 2
    await store.close()


async def test_database_of_a_newer_version_is_refused_and_left_alone(url: str) -> None:
    await (await Store.open(url)).close()
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(
        NewerDatabaseError, match=r"newer version \(revision 9999; this one knows up to 0003\)"
    ):
        await Store.open(url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "9999"
    engine.dispose()


async def test_failed_migration_leaves_nothing_behind(sqlite_url: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "chat.db") as connection:
        connection.execute("CREATE TABLE messages (mine TEXT)")
    with pytest.raises(StoreError, match="table messages already exists"):
        await Store.open(sqlite_url)
    with sqlite3.connect(tmp_path / "chat.db") as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
    assert names == ["messages"]


async def test_file_that_is_no_database_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no database at all\n" * 200)
    with pytest.raises(StoreError, match=r"notes\.txt cannot be opened: file is not a database\.$"):
        await Store.open(f"sqlite:///{tmp_path}/notes.txt")


async def test_folder_that_cannot_be_made_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"chat\.db cannot be opened: .*Not a directory|File exists"):
        await Store.open(f"sqlite:///{tmp_path}/file/chat.db")


@pytest.mark.parametrize(
    "text", ["", "chat.db", "mysql://h/d", "sqlite:/chat.db", "postgresql://u:secret@h:x/d"]
)
def test_url_of_no_use_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(DatabaseUrlError, match="must look like") as caught:
        parse_database_url(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("sqlite:///chat.db", "sqlite+aiosqlite"),
        ("sqlite+aiosqlite:///chat.db", "sqlite+aiosqlite"),
        ("sqlite://", "sqlite+aiosqlite"),
        ("postgres://h/d", "postgresql+psycopg"),
        ("postgresql://h/d?sslmode=require", "postgresql+psycopg"),
        ("postgresql+asyncpg://h/d", "postgresql+asyncpg"),
    ],
)
def test_url_gets_the_asynchronous_driver(monkeypatch: pytest.MonkeyPatch, text: str, driver: str) -> None:
    monkeypatch.setattr(url_module, "find_spec", lambda name: object())
    assert parse_database_url(text).drivername == driver


def test_driver_that_is_installed_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(url_module, "find_spec", lambda name: object() if name == "asyncpg" else None)
    assert parse_database_url("postgres://h/d").drivername == "postgresql+asyncpg"


@pytest.mark.parametrize(
    ("text", "package"), [("postgres://h/d", "psycopg"), ("postgresql+asyncpg://h/d", "asyncpg")]
)
def test_missing_driver_is_named_with_the_command(
    monkeypatch: pytest.MonkeyPatch, text: str, package: str
) -> None:
    monkeypatch.setattr(url_module, "find_spec", lambda name: None)
    with pytest.raises(DatabaseUrlError, match=f"needs the package {package}: pip install"):
        parse_database_url(text)


def test_driver_without_asyncio_is_refused() -> None:
    with pytest.raises(DatabaseUrlError, match="must name no driver, or one of: aiosqlite"):
        parse_database_url("sqlite+pysqlite:///chat.db")


def test_shown_url_hides_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(url_module, "find_spec", lambda name: object())
    assert shown(parse_database_url("postgres://ann:secret@h/d")) == "postgresql://ann:***@h/d"


def upgrade_to(url: str, revision: str) -> sqlalchemy.Engine:
    """A database as an older version left it."""
    engine = sqlalchemy.create_engine(url)
    config = Config()
    config.set_main_option("script_location", LOCATION)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    return engine


async def test_a_database_of_the_first_version_is_brought_up_to_date_with_what_it_holds(url: str) -> None:
    engine = upgrade_to(url, "0001")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO conversations (id, owner, title, created_at, updated_at) VALUES "
            "('0123abcdef', 'ann', 'Old', '2030-01-02 03:04:05.000000', '2030-01-02 03:04:05.000000')"
        )
        for name, role, status in (("u", "user", "ok"), ("a", "assistant", "streaming")):
            connection.exec_driver_sql(
                "INSERT INTO messages (id, conversation_id, turn_id, role, status, content, parts, "
                f"created_at) VALUES ('{name}', '0123abcdef', 'turn', '{role}', '{status}', '', '[]', "
                "'2030-01-02 03:04:05.000000')"
            )
    engine.dispose()
    store = await Store.open(url)
    found = await store.conversations.get("ann", "0123abcdef")
    assert found is not None
    assert found.title == "Old"
    assert [message.id for message in await store.messages.turn("turn")] == ["u", "a"]
    assert await store.messages.streaming_turns() == [("0123abcdef", "turn")]
    assert await store.events.position("0123abcdef") == EventId("0123abcd", 0)
    assert await store.tool_runs.started("turn") == set()
    await store.close()


async def test_ids_that_clients_have_used_before_there_was_a_table_of_them_stay_known(url: str) -> None:
    engine = upgrade_to(url, "0002")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO conversations (id, owner, created_at, updated_at) VALUES "
            "('c', 'ann', '2030-01-02 03:04:05.000000', '2030-01-02 03:04:05.000000')"
        )
        for name, role, sent_as in (
            ("u", "user", "'m1'"),
            ("a", "assistant", "'again'"),
            ("x", "user", "NULL"),
        ):
            connection.exec_driver_sql(
                "INSERT INTO messages (id, conversation_id, turn_id, role, status, content, parts, "
                f"created_at, client_message_id) VALUES ('{name}', 'c', 'turn {name}', '{role}', 'ok', '', "
                f"'[]', '2030-01-02 03:04:05.000000', {sent_as})"
            )
    engine.dispose()
    store = await Store.open(url)
    assert await store.messages.turn_sent_as("c", "m1") == "turn u"
    assert await store.messages.turn_sent_as("c", "again") == "turn a"
    assert await store.conversations.delete("ann", "c")
    assert await store.messages.turn_sent_as("c", "m1") is None
    await store.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql+psycopg://h/d", {"keepalives_idle": 15, "tcp_user_timeout": 30_000}),
        ("postgresql+psycopg://h/d?keepalives_idle=3", {"tcp_user_timeout": 30_000}),
        ("postgresql+asyncpg://h/d?timeout=3", {"command_timeout": 30}),
    ],
)
def test_a_silent_postgresql_server_is_waited_for_as_the_url_says_or_half_a_minute(
    monkeypatch: pytest.MonkeyPatch, text: str, expected: dict[str, int]
) -> None:
    monkeypatch.setattr(url_module, "find_spec", lambda name: object())
    options = patience(parse_database_url(text))
    assert {name: options.get(name) for name in expected} == expected
    assert not options.keys() & parse_database_url(text).query.keys()


async def test_what_postgresql_keeps_is_there_for_the_next_store(postgresql_url: str) -> None:
    store = await Store.open(postgresql_url)
    conversation = await store.conversations.create("ann", "Plans")
    await store.close()
    store = await Store.open(postgresql_url)
    assert await store.conversations.get("ann", conversation.id) == conversation
    await store.close()
