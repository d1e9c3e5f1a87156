"""A browser and a server for all tests of a module, and a house for each of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.chromium import browsing, executable
from tests.browser.house import House, Street
from tests.browser.tab import Tab
from tests.faults.proxy import WAIT_SECONDS
from tidewire.chat.web import DIST

expect.set_options(timeout=1000 * WAIT_SECONDS)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path; without one the test is skipped."""
    path = executable()
    if path is None:
        pytest.skip(
            "needs Chromium: install it (on Debian, apt install chromium-headless-shell),"
            " or set TIDEWIRE_TEST_CHROMIUM"
        )
    return path


@pytest.fixture(scope="session")
def built() -> Path:
    """The app's folder; where it has not been built, the test is skipped."""
    if not (DIST / "index.html").is_file():
        pytest.skip("needs the web app: run `make app`")
    return DIST


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with browsing(chromium) as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def street(
    browser: Browser, built: Path, launcher: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Street]:
    """Where the houses of the module's tests are."""
    street = Street(browser, launcher, lambda: tmp_path_factory.mktemp("street"))
    yield street
    await street.close()


@pytest_asyncio.fixture(loop_scope="module")
async def house(street: Street) -> AsyncIterator[House]:
    """A server in which this test's visitor has nothing; the test may end it, and start another one."""
    async with street.house() as house:
        yield house


@pytest_asyncio.fixture(loop_scope="module")
async def tab(house: House) -> Tab:
    """A tab on the first page."""
    return await house.tab()
