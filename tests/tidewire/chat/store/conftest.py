"""Stores on real databases: SQLite files, and a PostgreSQL server if TIDEWIRE_TEST_POSTGRESQL has its URL."""

import os
import shutil
import uuid
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy

from tests.tidewire.chat.store.turns import Clock, NewTurn
from tidewire.chat.models import Conversation, Message, TextPart
from tidewire.chat.store import Store
from tidewire.chat.store.migrate import upgrade

POSTGRESQL = os.environ.get("TIDEWIRE_TEST_POSTGRESQL")


@pytest.fixture
def is_new() -> bool:
    """Whether nobody has opened the database before; otherwise it has its tables, with nothing in them."""
    return False


@pytest.fixture
def sqlite_url(tmp_path: Path, migrated: Path, is_new: bool) -> str:
    if not is_new:
        shutil.copy(migrated, tmp_path / "chat.db")
    return f"sqlite:///{tmp_path}/chat.db"


@contextmanager
def postgresql_database(template: str = "template1") -> Generator[sqlalchemy.URL]:
    """A database of one's own."""
    if not POSTGRESQL:
        pytest.skip("the store is tested on SQLite only: set TIDEWIRE_TEST_POSTGRESQL to a server's URL")
    name = f"tidewire_{uuid.uuid4().hex}"
    server = sqlalchemy.create_engine(
        sqlalchemy.make_url(POSTGRESQL).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server.url.set(database=name)
    with server.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name}")
    server.dispose()


@pytest.fixture(scope="session")
def postgresql_template() -> Iterator[str]:
    """The name of a database with all tables, to be copied."""
    with postgresql_database() as url:
        engine = sqlalchemy.create_engine(url)
        with engine.begin() as connection:
            upgrade(connection)
        # Nobody may be connected to what is copied.
        engine.dispose()
        assert url.database is not None
        yield url.database


@pytest.fixture
def postgresql_url(postgresql_template: str, is_new: bool) -> Iterator[str]:
    with postgresql_database() if is_new else postgresql_database(postgresql_template) as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite_url", "postgresql_url"] if POSTGRESQL else ["sqlite_url"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(url: str, clock: Clock) -> AsyncIterator[Store]:
    store = await Store.open(url, clock=clock)
    yield store
    await store.close()


@pytest.fixture
async def conversation(store: Store) -> Conversation:
    return await store.conversations.create("ann", "Plans")


@pytest.fixture
def new_turn(clock: Clock) -> NewTurn:
    def build(
        conversation_id: str, content: str = "hello", *, client_message_id: str | None = None
    ) -> tuple[Message, Message]:
        turn_id = uuid.uuid4().hex
        user = Message(
            id=uuid.uuid4().hex,
            conversation_id=conversation_id,
            turn_id=turn_id,
            role="user",
            status="ok",
            content=content,
            parts=[TextPart(content=content)],
            created_at=clock(),
            client_message_id=client_message_id,
        )
        answer = Message(
            id=uuid.uuid4().hex,
            conversation_id=conversation_id,
            turn_id=turn_id,
            role="assistant",
            status="streaming",
            content="",
            parts=[],
            created_at=clock(),
            model="demo",
        )
        return user, answer

    return build
