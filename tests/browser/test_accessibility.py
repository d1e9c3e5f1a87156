"""WCAG 2.2 AA as far as axe can tell, in every state, in both themes, on a screen and on a phone."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal

import pytest
import pytest_asyncio
from playwright.async_api import FloatRect, Locator, expect

from tests.browser.axe import SCRIPT, violations
from tests.browser.house import DESKTOP, PHONE, House, Theme
from tests.browser.scripts import OVERLOADED, endless, thinking
from tests.browser.tab import Tab
from tests.browser.watch import LOST_NETWORK, NOT_FOUND
from tests.upstream import text_answer, tool_answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

Place = Literal["desktop", "phone"]

ANSWER: Final = """## Tides

The *moon* pulls, see [the moon](https://example.org/moon) and `tide()`:

| when | height |
| --- | --- |
| 06:12 | 4.1 m |

1. one
2. two

> quoted

```python
def tide(hour: int) -> float:
    return 2.0  # metres
```
"""

AT_REST: Final = """
() => document.getAnimations().every(
  (each) => each.playState !== "running" || each.effect.getTiming().iterations === Infinity)
"""


# What a page is opened in, and what it changes to: a visitor's system may do so at any time.
THEMES: Final[Mapping[Place, tuple[Theme, Theme]]] = {
    "desktop": ("light", "dark"),
    "phone": ("dark", "light"),
}


@pytest.fixture(params=THEMES)
def place(request: pytest.FixtureRequest) -> Place:
    chosen: Place = request.param
    return chosen


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(house: House, place: Place) -> Tab:
    """A tab on one of the screens."""
    if not SCRIPT.is_file():
        pytest.skip("needs the npm packages of client_js: run `make app`")
    phone = place == "phone"
    size, theme = PHONE if phone else DESKTOP, THEMES[place][0]
    return await house.tab(size=size, theme=theme, has_touch=phone, is_mobile=phone)


async def empty(house: House, tab: Tab) -> None:
    await tab.is_connected()
    await expect(tab.page.get_by_role("heading", name="What is on your mind?")).to_be_visible()


async def conversation(house: House, tab: Tab) -> None:
    call = tool_answer([("call_1", "calculate", '{"expression": "6 * 7"}')])
    house.playbook.script("Tides?", call, thinking("Hm.", ANSWER))
    await tab.ask("Tides?")
    await expect(tab.tool_call("calculate")).to_contain_text("Done")
    await tab.rests()
    await tab.tool_call("calculate").locator("summary").click()
    await tab.answer.get_by_text("Reasoning").click()
    await expect(tab.answer.get_by_text("Hm.")).to_be_visible()


async def streaming(house: House, tab: Tab) -> None:
    house.playbook.script("Go on", endless("# On\n\nand on"))
    await tab.ask("Go on")
    await expect(tab.texts).to_contain_text("and on")


async def failed(house: House, tab: Tab) -> None:
    house.playbook.script("Try", OVERLOADED)
    await tab.ask("Try")
    await expect(tab.answer).to_contain_text("The answer failed.")
    await tab.rests()


async def editing(house: House, tab: Tab) -> None:
    house.playbook.script("Hello", text_answer("Hello to you"))
    await tab.ask("Hello")
    await tab.rests()
    await tab.on(tab.asked, "Edit message")
    await expect(tab.page.get_by_role("textbox", name="Edited message")).to_be_focused()


async def dialog(house: House, tab: Tab) -> None:
    await house.conversation("The moon pulls", title="Tides")
    await tab.page.reload()
    await tab.button("Switch conversation").click()
    await expect(tab.page.get_by_role("dialog").get_by_role("option").first).to_have_text("Tides")


async def choosing_tools(house: House, tab: Tab) -> None:
    await tab.page.get_by_role("button", name="Tools").click()
    await expect(tab.page.get_by_role("checkbox", name="calculate")).to_be_visible()


async def listing(house: House, tab: Tab) -> None:
    await house.conversation(title="Tides")
    await house.conversation(title="Weather, and what it does to the water in the harbour")
    await tab.page.reload()
    if await tab.button("Open conversations").is_visible():
        await tab.button("Open conversations").click()
    await tab.page.get_by_role("button", name="Delete Weather").click()
    await expect(tab.button("Undo")).to_be_in_viewport(ratio=1)


async def missing(house: House, tab: Tab) -> None:
    await tab.page.goto("/c/gone")
    await expect(tab.page.get_by_role("heading", name="There is no such conversation")).to_be_visible()


async def offline(house: House, tab: Tab) -> None:
    await tab.ask("Hello")
    await tab.rests()
    await tab.page.context.set_offline(True)
    await tab.ask("Are you there?")
    await expect(tab.asked.last).to_contain_text("Will be sent when you are online")


@pytest.mark.parametrize(
    "state",
    [
        empty,
        conversation,
        streaming,
        failed,
        editing,
        dialog,
        choosing_tools,
        listing,
        missing,
        offline,
    ],
    ids=lambda state: str(state.__name__),
)
async def test_axe_finds_nothing(
    house: House, visitor: Tab, place: Place, state: Callable[[House, Tab], Awaitable[None]]
) -> None:
    if state in (offline, missing):
        house.watch.allow(LOST_NETWORK if state is offline else NOT_FOUND)
    await state(house, visitor)
    for theme in THEMES[place]:
        await visitor.page.emulate_media(color_scheme=theme)
        # What fades in has less contrast meanwhile.
        await visitor.until(AT_REST)
        assert (theme, await violations(visitor.page)) == (theme, [])
    width = await visitor.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, "the page is wider than its window"


async def test_with_reduced_motion_nothing_moves(house: House) -> None:
    tab = await house.tab(reduced_motion="reduce")
    house.playbook.script("Go on", endless("and on"))
    await tab.ask("Go on")
    await tab.says("and on")
    moving = await tab.page.evaluate(
        "document.getAnimations().filter((each) => each.effect.getComputedTiming().duration > 1).length"
    )
    assert moving == 0


async def test_the_ring_around_a_messages_button_is_seen_as_a_whole(house: House) -> None:
    tab = await house.tab(reduced_motion="reduce")
    for message in ("Hello", "And again"):
        await tab.ask(message)
        await tab.rests()
    button = tab.asked.first.get_by_role("button", name="Edit message")
    await tab.asked.first.hover()
    await button.press("Shift")
    box = await button.bounding_box()
    assert box is not None
    # Where the ring's outer side is.
    beside: FloatRect = {"x": box["x"] + box["width"] + 2, "y": box["y"], "width": 2, "height": box["height"]}
    focused = await tab.page.screenshot(clip=beside)
    await button.blur()
    assert await tab.page.screenshot(clip=beside) != focused


async def test_the_focus_is_not_lost_with_the_button_it_was_on(house: House) -> None:
    tab = await house.tab()
    house.playbook.script("Go on", text_answer("word " * 4_000))
    for message in ("Hello", "Go on"):
        await tab.ask(message)
        await tab.rests()

    async def press(row: Locator, name: str) -> None:
        await row.get_by_role("button", name=name, exact=True).focus()
        await tab.page.keyboard.press("Enter")

    await press(tab.asked.last, "Edit message")
    await tab.page.keyboard.press("Escape")
    await expect(tab.asked.last.get_by_role("button", name="Edit message")).to_be_focused()
    await tab.log.evaluate("(log) => { log.scrollTop = 0; }")
    await press(tab.page.locator("main"), "Jump to latest")
    await expect(tab.log).to_be_focused()
    await press(tab.asked.last, "Edit message")
    await tab.page.keyboard.press("Enter")
    await expect(tab.composer).to_be_focused()
    await tab.says("You said Go on")
    await tab.rests()
    await press(tab.answer, "Regenerate")
    await expect(tab.composer).to_be_focused()
    await tab.rests()
    house.watch.allow(LOST_NETWORK)
    await tab.page.context.set_offline(True)
    await tab.ask("Are you there?")
    await press(tab.asked.last, "Discard")
    await expect(tab.composer).to_be_focused()


async def test_the_focus_goes_through_the_page_in_the_order_in_which_it_is_read(house: House) -> None:
    await house.conversation("Hello")
    tab = await house.tab("/")
    await tab.is_connected()
    await tab.page.evaluate("document.activeElement.blur()")
    seen: list[str] = []
    # It begins anywhere, and goes round: once from the first name to the first name again.
    first = "New conversation"
    for _ in range(40):
        await tab.page.keyboard.press("Tab")
        name = await tab.page.evaluate(
            "document.activeElement.ariaLabel ?? document.activeElement.textContent.trim()"
        )
        if seen and name == first:
            break
        if seen or name == first:
            seen.append(name)
        # What is focused can be seen to be.
        assert await tab.page.evaluate(
            "document.activeElement === document.body || document.activeElement.checkVisibility()"
        )
    order = [first, "Search conversations", "Hello", "Switch conversation", "Message"]
    assert [name for name in seen if name in order] == order
