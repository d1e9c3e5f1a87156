"""One chat server for all tests of a module, and a stock client of each version connected to it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from tests.conformance.chat import TOOLS_APP, Chat, running_chat
from tests.conformance.client import CLIENT_VERSIONS, ClientVersion, StockClient

Clients = Mapping[ClientVersion, StockClient]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chat(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chat]:
    async with running_chat(tmp_path_factory.mktemp("chat"), TOOLS_APP) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(chat: Chat, node_modules: Path) -> AsyncIterator[Clients]:
    async with AsyncExitStack() as stack:
        yield {
            version: await stack.enter_async_context(StockClient(chat.url, version=version))
            for version in CLIENT_VERSIONS
        }


@pytest.fixture(params=CLIENT_VERSIONS)
def client(request: pytest.FixtureRequest, clients: Clients) -> StockClient:
    """A stock client; the test runs with each version."""
    return clients[request.param]


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    """Words that no other test uses, so that the upstream can tell whose message it got."""
    return str(request.node.name)
