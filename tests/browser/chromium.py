"""The machine's own Chromium, driven by Playwright; nothing is downloaded."""

import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from playwright.async_api import Browser, async_playwright

WHOLE: Final = ("chromium", "chromium-browser", "google-chrome")

# The same engine without what draws windows and keeps spare processes: opening a page of the app took
# 0.6 seconds of the processor instead of 2.0.
SHELL: Final = ("chromium-headless-shell",)

ARGUMENTS: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # Whatever it would fetch by itself is no part of a test.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def executable(*, whole: bool = False) -> str | None:
    """Where the browser is: what TIDEWIRE_TEST_CHROMIUM says, or what the PATH has; None without one.

    With `whole` the browser that people have goes before the shell, which is faster at opening pages.
    """
    chosen = os.environ.get("TIDEWIRE_TEST_CHROMIUM")
    names = (*WHOLE, *SHELL) if whole else (*SHELL, *WHOLE)
    return chosen or next(filter(None, map(shutil.which, names)), None)


@asynccontextmanager
async def browsing(path: str) -> AsyncGenerator[Browser]:
    """Run a browser without a window."""
    # Chromium's sandbox does not work for root, which is who runs containers.
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *sandbox])
        try:
            yield browser
        finally:
            await browser.close()
