"""A chat server in this process, on a real SQLite file, with a scripted provider."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import sqlalchemy

from tests.tidewire.chat.house import House
from tests.tidewire.chat.scripted import WAIT_SECONDS, ScriptedProvider
from tests.tidewire.chat.stage import Stage
from tidewire import ConnectionInfo
from tidewire.chat import ChatContext, Settings, router
from tidewire.chat.server import ChatServer
from tidewire.chat.store import Store
from tidewire.chat.store.migrate import upgrade
from tidewire.testing import Client

Connect = Callable[..., Client]


@pytest.fixture
def scripted() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with all tables, to be copied: migrations take longer than most tests."""
    file = tmp_path_factory.mktemp("migrated") / "chat.db"
    engine = sqlalchemy.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        upgrade(connection)
    engine.dispose()
    return file


@pytest.fixture
def database_url(migrated: Path, tmp_path: Path) -> str:
    """The address of an SQLite file with nothing but the tables."""
    return f"sqlite:///{shutil.copy(migrated, tmp_path / 'chat.db')}"


@pytest.fixture
def settings(database_url: str) -> Settings:
    return Settings(transformer="none", database_url=database_url, shutdown_grace=0)


@pytest.fixture
async def chat(settings: Settings, scripted: ScriptedProvider) -> AsyncIterator[ChatServer]:
    server = ChatServer(settings, provider=scripted)
    async with server.running():
        yield server


@pytest.fixture
def connect(chat: ChatServer) -> Connect:
    """Makes connections; `owner` is who is at the other end."""

    def make(owner: str = "local") -> Client:
        def context(connection: ConnectionInfo) -> ChatContext:
            return ChatContext(connection, chat, owner)

        return Client(router, context=context)

    return make


@pytest.fixture
async def client(connect: Connect) -> AsyncIterator[Client]:
    async with connect() as connected:
        yield connected


@pytest.fixture
async def house(database_url: str, scripted: ScriptedProvider) -> AsyncIterator[House]:
    store = await Store.open(database_url)
    house = House(store, scripted, (await store.conversations.create("ann", "Title")).id)
    await house.log.own()
    house.log.start()
    yield house
    await house.close()
    await store.close()


@pytest.fixture
async def stage(database_url: str, scripted: ScriptedProvider) -> AsyncIterator[Stage]:
    store = await Store.open(database_url)
    stage = Stage(store, scripted)
    await stage.log.own()
    stage.log.start()
    yield stage
    async with asyncio.timeout(WAIT_SECONDS):
        for turn in stage.turns:
            await turn.ended()
        await stage.log.close()
    await store.close()
    assert scripted.open_streams == 0
