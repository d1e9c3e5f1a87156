"""What a person does in a tab of the app, and what they see there.

Everything is found by role and name, as a screen reader finds it; see `client_js/app/README.md`.
"""

import asyncio
from typing import Literal

from playwright.async_api import Locator, Page, expect

from tests.conformance.client import WAIT_SECONDS

Connection = Literal["Connecting", "Live", "Reconnecting", "Offline"]


class Tab:
    """A tab on a page of the app."""

    def __init__(self, page: Page) -> None:
        self.page = page

    # ---------- what is there

    @property
    def composer(self) -> Locator:
        """Where messages are written."""
        return self.page.get_by_role("textbox", name="Message", exact=True)

    @property
    def log(self) -> Locator:
        """All messages."""
        return self.page.get_by_role("log", name="Messages")

    @property
    def asked(self) -> Locator:
        """The user's messages."""
        return self.log.get_by_role("article", name="You")

    @property
    def questions(self) -> Locator:
        """Their texts."""
        return self.asked.locator(".bubble")

    @property
    def answers(self) -> Locator:
        """The assistant's messages."""
        return self.log.get_by_role("article", name="Assistant")

    @property
    def answer(self) -> Locator:
        """The last answer, with all that is around its text."""
        return self.answers.last

    @property
    def texts(self) -> Locator:
        """The texts of the last answer, between its tool calls."""
        return self.answer.locator(".prose")

    @property
    def status(self) -> Locator:
        """The line that screen readers are told of."""
        return self.page.get_by_role("status")

    @property
    def problem(self) -> Locator:
        """The banner over the composer."""
        return self.page.get_by_role("region", name="Problem")

    def button(self, name: str) -> Locator:
        """A button, anywhere."""
        return self.page.get_by_role("button", name=name, exact=True)

    def tool_call(self, name: str) -> Locator:
        """The card of a tool call."""
        return self.log.get_by_role("group", name=f"Tool call {name}")

    @property
    def conversation(self) -> str:
        """The id of the conversation that the address names."""
        return self.page.url.rpartition("/c/")[2]

    # ---------- what is done

    async def send(self, text: str) -> None:
        """Write a message and press Enter."""
        await self.composer.fill(text)
        await self.composer.press("Enter")

    async def ask(self, text: str) -> None:
        """Send a message, and wait until it is among the others."""
        await self.send(text)
        await expect(self.composer).to_have_value("")
        await expect(self.questions.last).to_contain_text(text[:100].strip())

    async def visit(self, conversation: str) -> None:
        """Go to a conversation by its address, and wait until it is shown."""
        await self.page.goto(f"/c/{conversation}")
        await self.is_connected()
        await expect(self.log).to_be_visible()

    async def on(self, row: Locator, action: str) -> None:
        """Press a button of a message's, which may be seen only when the pointer is over it."""
        await row.hover()
        await row.get_by_role("button", name=action, exact=True).click()

    # ---------- what is waited for

    async def until(self, predicate: str, argument: object = None) -> None:
        """Wait until a function of the page's says yes; it is asked before every frame.

        Playwright's own `wait_for_function` needs `eval`, which the policy forbids.
        """
        waiting = f"""async (argument) => {{
          const predicate = {predicate};
          while (!predicate(argument)) await new Promise(requestAnimationFrame);
        }}"""
        async with asyncio.timeout(WAIT_SECONDS):
            await self.page.evaluate(waiting, argument)

    async def is_connected(self, how: Connection = "Live") -> None:
        """Wait until the pill says so."""
        await expect(self.page.get_by_role("group", name="Connection")).to_have_text(how)

    async def says(self, *texts: str) -> None:
        """Wait until the last answer's texts are these."""
        await expect(self.texts).to_have_text(list(texts))

    async def rests(self) -> None:
        """Wait until nothing is being sent or answered and the next message can be written."""
        await expect(self.log.get_by_text("Sending…", exact=True)).to_have_count(0)
        await expect(self.button("Stop")).to_have_count(0)
        await expect(self.button("Stopping")).to_have_count(0)
        await expect(self.button("Send")).to_be_visible()

    async def shows(self, *messages: str) -> None:
        """Wait until these are the texts of all messages, in their order."""
        await expect(self.log.locator(".bubble, .prose")).to_have_text(list(messages))
