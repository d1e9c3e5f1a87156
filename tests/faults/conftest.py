"""One chat server for all tests of a module, and what breaks the way to it; or what starts many."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.conformance.chat import TOOLS_APP, Chat, RawSocket, running_chat
from tests.faults.proxy import Proxy


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chat(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chat]:
    async with running_chat(tmp_path_factory.mktemp("chat"), TOOLS_APP) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def proxy(chat: Chat) -> AsyncIterator[Proxy]:
    """A way to the server that can be broken."""
    async with Proxy(chat.url) as proxy:
        yield proxy


@pytest_asyncio.fixture(loop_scope="module")
async def direct(chat: Chat) -> AsyncIterator[RawSocket]:
    """A connection that nothing happens to."""
    async with RawSocket(chat.url) as socket:
        yield socket


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    """Words that no other test uses, so that the upstream can tell whose message it got."""
    return str(request.node.name)


@pytest.fixture
def folder(tmp_path: Path, node_modules: Path) -> Path:
    """Where a server of the test's own keeps its database."""
    return tmp_path
