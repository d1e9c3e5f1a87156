"""A chat server in this process, on a real SQLite file, with a scripted provider."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.tidewire.chat.house import House
from tests.tidewire.chat.scripted import ScriptedProvider
from tidewire import ConnectionInfo
from tidewire.chat import ChatContext, Settings, router
from tidewire.chat.server import ChatServer
from tidewire.chat.store import Store
from tidewire.testing import Client

Connect = Callable[..., Client]


@pytest.fixture
def scripted() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(transformer="none", database_url=f"sqlite:///{tmp_path / 'chat.db'}", shutdown_grace=0)


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
