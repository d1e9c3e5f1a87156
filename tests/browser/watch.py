"""What a page does that no page of ours may do."""

import re
from typing import Final
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Request, WebError

REPORT_VIOLATIONS: Final = """
addEventListener("securitypolicyviolation", (event) => {
  console.error("policy:", event.violatedDirective, event.blockedURI, event.sample);
});
"""
"""Before any script of the page."""

LOST_NETWORK: Final = r"net::ERR_|WebSocket connection to .* failed|status of 50[0-9]"
"""What the browser itself says when a server cannot be reached."""

NOT_FOUND: Final = r"status of 404"
"""What it says of the answer to a query for what is not there."""


class Watch:
    """Listens to all pages of a context: the console, uncaught exceptions, requests to other hosts."""

    def __init__(self, url: str) -> None:
        self._hosts = {urlsplit(url).netloc}
        self._allowed: list[str] = []
        self._complaints: list[str] = []
        self.foreign: list[str] = []
        """URLs that were asked for elsewhere than at the server."""

    async def listen(self, context: BrowserContext) -> None:
        """Begin with a context that has no pages yet."""
        await context.add_init_script(REPORT_VIOLATIONS)
        context.on("console", self._said)
        context.on("weberror", self._failed)
        context.on("request", self._asked)

    def move(self, *urls: str) -> None:
        """Expect requests to these servers, instead of the one so far."""
        self._hosts = {urlsplit(url).netloc for url in urls}

    def allow(self, pattern: str) -> None:
        """Expect complaints in which `pattern`, a regular expression, is found."""
        self._allowed.append(pattern)

    @property
    def complaints(self) -> list[str]:
        """Errors and warnings so far, but for those that were allowed."""
        return [
            each
            for each in self._complaints
            if not any(re.search(pattern, each) for pattern in self._allowed)
        ]

    def check(self) -> None:
        """Fail if there was anything."""
        assert self.complaints == []
        assert self.foreign == []

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._complaints.append(f"{message.type}: {message.text}")

    def _failed(self, failure: WebError) -> None:
        self._complaints.append(f"uncaught: {failure.error}")

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob", "about"} and parts.netloc not in self._hosts:
            self.foreign.append(request.url)
