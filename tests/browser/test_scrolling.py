"""Long conversations: where the page stands while answers grow, and how older messages come."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from tests.browser.house import House
from tests.browser.scripts import gated
from tests.browser.tab import Tab
from tests.conformance.client import WAIT_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="module")

TO_TOP = "(log) => { log.scrollTop = 0; }"
AT_BOTTOM = "(log) => log.scrollHeight - log.scrollTop - log.clientHeight < 4"


async def at_bottom(tab: Tab) -> None:
    """Wait until the end is in sight."""
    await tab.until(AT_BOTTOM, await tab.log.element_handle())


async def test_a_long_conversation_opens_at_its_end_and_loads_what_is_older_on_the_way_up(
    house: House, tab: Tab
) -> None:
    conversation = await house.conversation(title="Long")
    house.remember(conversation, (f"Message {number}\n\nof many" for number in range(300)))
    await tab.visit(conversation)
    await expect(tab.answer).to_contain_text("Message 299")
    await at_bottom(tab)
    first = tab.questions.filter(has_text=re.compile(r"^Message 0\b"))
    await tab.log.hover()
    async with asyncio.timeout(2 * WAIT_SECONDS):
        while not await first.count():
            await tab.page.mouse.wheel(0, -3_000)
            await tab.page.evaluate("new Promise(requestAnimationFrame)")
    await expect(first).to_have_count(1)
    await expect(tab.asked).to_have_count(150)
    await tab.button("Jump to latest").click()
    await at_bottom(tab)


async def test_the_end_is_followed_until_somebody_scrolls_up(house: House, tab: Tab) -> None:
    conversation = await house.conversation(title="Long")
    house.remember(conversation, (f"Message {number}\n\n" + "word " * 100 for number in range(20)))
    await tab.visit(conversation)
    await expect(tab.answer).to_contain_text("Message 19")
    script, gates = gated(" ".join(f"line{number}\n\n" for number in range(40)))
    house.playbook.script("Go on", script)
    await tab.ask("Go on")
    for gate in gates[:20]:
        gate.set()
    await expect(tab.answer).to_contain_text("line19")
    await at_bottom(tab)
    await tab.log.hover()
    await tab.page.mouse.wheel(0, -600)
    await expect(tab.button("Jump to latest")).to_be_visible()
    before = await tab.log.evaluate("(log) => log.scrollTop")
    for gate in gates[20:]:
        gate.set()
    await expect(tab.answer).to_contain_text("line39")
    await tab.rests()
    assert abs(await tab.log.evaluate("(log) => log.scrollTop") - before) < 2
    await tab.button("Jump to latest").click()
    await at_bottom(tab)
    await expect(tab.button("Jump to latest")).to_have_count(0)


async def test_the_end_is_followed_after_a_message_that_is_higher_than_the_window(tab: Tab) -> None:
    for message in ("Hello", "wide " * 3_000):
        await tab.ask(message)
        await tab.rests()
    await at_bottom(tab)
    await expect(tab.button("Jump to latest")).to_have_count(0)


async def test_an_answer_takes_the_place_of_what_stood_for_it(house: House, tab: Tab) -> None:
    """No layout shift while the page waits for the first word, gets it, and shows the answer's buttons."""
    await tab.page.evaluate(
        """() => {
          window.shift = 0;
          new PerformanceObserver((list) => {
            for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
          }).observe({ type: "layout-shift", buffered: true });
        }"""
    )
    script, gates = gated("one two three")
    house.playbook.script("Count", script)
    await tab.ask("Count")
    await expect(tab.button("Stop")).to_be_visible()
    for gate in gates:
        gate.set()
    await tab.says("one two three")
    await tab.rests()
    assert await tab.page.evaluate("window.shift") < 0.02
