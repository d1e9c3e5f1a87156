"""A chat server, the provider behind it, and browsers with its pages open."""

import json
import sqlite3
import uuid
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from playwright.async_api import Browser, BrowserContext

from tests.browser.tab import Tab
from tests.browser.watch import Watch
from tests.conformance.chat import TOOLS_APP, Playbook, RawSocket, stored
from tests.conformance.client import WAIT_SECONDS
from tests.faults.deployment import Deployment
from tests.processes import Life

Theme = Literal["light", "dark"]

DESKTOP: Final = (1280, 800)
PHONE: Final = (360, 740)

SETTINGS: Final = {
    "TIDEWIRE_TRANSFORMER": "superjson",
    "TIDEWIRE_SHUTDOWN_GRACE": "4",
    "TIDEWIRE_SHUTDOWN_SPREAD": "0.1",
}

REMEMBER: Final = """
INSERT INTO messages (id, conversation_id, turn_id, role, status, content, parts, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass
class House:
    """One server, over several lives, and the browser contexts that look at it."""

    browser: Browser
    deployment: Deployment
    life: Life
    watch: Watch
    stack: AsyncExitStack
    visitor: str | None = None
    """Who the contexts say they are, where houses share a server."""

    @property
    def url(self) -> str:
        """Where the pages are."""
        return self.deployment.url.removesuffix("/api/trpc")

    @property
    def playbook(self) -> Playbook:
        """What the provider answers."""
        return self.deployment.playbook

    async def context(
        self, *, size: tuple[int, int] = DESKTOP, theme: Theme = "light", **options: Any
    ) -> BrowserContext:
        """A browser of its own, without a past."""
        width, height = size
        url = options.pop("base_url", self.url)
        context = await self.browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, base_url=url, **options
        )
        context.set_default_timeout(1000 * WAIT_SECONDS)
        self.stack.push_async_callback(context.close)
        if self.visitor is not None:
            await context.add_cookies([{"name": "visitor", "value": self.visitor, "url": url}])
        await self.watch.listen(context)
        return context

    async def tab(self, path: str = "/", **options: Any) -> Tab:
        """A tab in a context of its own, on a page of the app."""
        tab = Tab(await (await self.context(**options)).new_page())
        await tab.page.goto(path)
        return tab

    async def restart(self) -> None:
        """Start another server where the last one was."""
        self.life = await self.deployment.start()

    # ---------- without a browser

    def socket(self) -> RawSocket:
        """Another client of the same person's."""
        headers = {} if self.visitor is None else {"Cookie": f"visitor={self.visitor}"}
        return RawSocket(self.deployment.url, headers=headers)

    async def call(self, method: str, path: str, input: object = None) -> Any:
        """Call a query or mutation as another client."""
        async with self.socket() as socket:
            answer = await socket.ask(method, path, {"json": input})
        return answer["result"]["data"]["json"]

    async def conversation(self, *said: str, title: str | None = None) -> str:
        """Make a conversation in which these messages have been answered; gives its id."""
        fields = {} if title is None else {"title": title}
        conversation = str((await self.call("mutation", "conversations.create", fields))["id"])
        for message in said:
            await self.say(conversation, message)
        return conversation

    async def say(self, conversation: str, message: str) -> None:
        """Send a message as another client, and wait for the end of its answer."""
        input = {"conversationId": conversation, "message": message}
        async with self.socket() as socket:
            call = await socket.call("subscription", "conversations.streamMessage", {"json": input})
            async for _ in socket.events(call):
                pass

    def remember(self, conversation: str, past: Iterable[str | Sequence[Mapping[str, Any]]]) -> None:
        """Add messages to the database behind the server's back: the user's and answers, by turns.

        Each is a text, or what it is made of. A minute is between two of them, as the page expects of a past.
        """
        messages = list(past)
        now = datetime.now(UTC).replace(tzinfo=None)
        with closing(sqlite3.connect(self.deployment.database)) as database, database:
            turn = ""
            for number, content in enumerate(messages):
                message = uuid.uuid4().hex
                turn = message if number % 2 == 0 else turn
                role = "assistant" if number % 2 else "user"
                parts = [{"type": "text", "content": content}] if isinstance(content, str) else content
                text = "".join(each["content"] for each in parts if each["type"] == "text")
                at = (now - timedelta(minutes=len(messages) - number)).isoformat(" ")
                values = (message, conversation, turn, role, "ok", text, json.dumps(parts), at)
                database.execute(REMEMBER, values)

    def rows(self, conversation: str) -> list[dict[str, Any]]:
        """A conversation's messages, as they are in the database's file."""
        return stored(self.deployment.database, conversation)

    def texts(self, conversation: str) -> Sequence[str]:
        """Their texts."""
        return [str(row["content"]) for row in self.rows(conversation)]

    async def leave(self) -> None:
        """Stop what is still being answered, so that nothing is asked of the provider any more."""
        for each in (await self.call("query", "conversations.list", {}))["items"]:
            await self.call("mutation", "conversations.stop", {"conversationId": each["id"]})


class Street:
    """Houses, one after the other, that share a server until somebody ends it."""

    def __init__(self, browser: Browser, launcher: Path, new_folder: Callable[[], Path]) -> None:
        self._browser = browser
        self._launcher = launcher
        self._new_folder = new_folder
        self._deployment: Deployment | None = None

    @asynccontextmanager
    async def house(self) -> AsyncGenerator[House]:
        """The house of a visitor who has nothing yet. No page may have complained by its end."""
        deployment = await self._running()
        deployment.open_playbook()
        [life] = deployment.lives
        watch = Watch(life.url)
        stack = AsyncExitStack()
        house = House(self._browser, deployment, life, watch, stack, uuid.uuid4().hex)
        try:
            async with stack:
                yield house
                watch.check()
        finally:
            if life.was_ended or life.code is not None:
                await self.close()
            else:
                await house.leave()

    async def close(self) -> None:
        """End the server, if there is one."""
        if self._deployment is not None:
            deployment, self._deployment = self._deployment, None
            await deployment.__aexit__(None, None, None)

    async def _running(self) -> Deployment:
        if self._deployment is None:
            deployment = Deployment(self._launcher, self._new_folder(), TOOLS_APP, **SETTINGS)
            self._deployment = await deployment.__aenter__()
            await deployment.start()
        return self._deployment


@asynccontextmanager
async def housed(
    browser: Browser, launcher: Path, folder: Path, target: str | None = None, **settings: str
) -> AsyncGenerator[House]:
    """Run a server for the length of the block. No page may have complained by its end."""
    settings = {**SETTINGS, **settings}
    async with Deployment(launcher, folder, target, **settings) as deployment, AsyncExitStack() as stack:
        life = await deployment.start()
        watch = Watch(life.url)
        yield House(browser, deployment, life, watch, stack)
        watch.check()
