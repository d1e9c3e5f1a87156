"""The page that is there while the app has not been built."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.browser.house import PHONE, Theme, housed

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_it_says_how_to_build_the_app_in_the_visitors_own_colours(
    browser: Browser, launcher: Path, tmp_path: Path, theme: Theme
) -> None:
    async with housed(browser, launcher, tmp_path, "tests.browser.unbuilt_app:app") as house:
        tab = await house.tab(size=PHONE, theme=theme)
        await expect(tab.page.get_by_role("heading", name="Tidewire is running")).to_be_visible()
        await expect(tab.page.get_by_text("make app")).to_be_visible()
        # A style that the policy refused would be a complaint; this one is applied.
        assert await tab.page.evaluate("getComputedStyle(document.querySelector('h1')).fontSize") == "20px"
        lightness = await tab.page.evaluate("getComputedStyle(document.documentElement).colorScheme")
        assert lightness == "light dark"
        # Browsers ask for an icon, which is not there either.
        house.watch.allow("404")
