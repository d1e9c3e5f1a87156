"""What axe finds wrong with a page for people who do not see it, or use no mouse."""

import json
from functools import cache
from typing import Any, Final

from playwright.async_api import Page

from tests.browser.documents import PACKAGES

SCRIPT: Final = PACKAGES / "axe-core" / "axe.min.js"

TAGS: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


@cache
def source() -> str:
    """Axe itself."""
    return SCRIPT.read_text()


async def violations(page: Page) -> list[str]:
    """Each broken rule, with the elements that break it."""
    if not await page.evaluate("'axe' in window"):
        # The debugger evaluates it, so the page's policy stays as it is.
        await page.evaluate(f"() => {{ {source()} }}")
    options = {"runOnly": {"type": "tag", "values": list(TAGS)}, "resultTypes": ["violations"]}
    found: dict[str, Any] = await page.evaluate("(options) => axe.run(document, options)", options)
    return [
        f"{rule['id']}: {node['html'][:200]} {json.dumps([each['message'] for each in node['any']])}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
