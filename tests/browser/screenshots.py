"""The pictures of the documents: `python -m tests.browser.screenshots docs/screenshots`."""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from playwright.async_api import expect

from tests.browser.chromium import browsing, executable
from tests.browser.house import PHONE, House, housed
from tests.browser.scripts import OVERLOADED, endless, thinking
from tests.browser.tab import Tab
from tests.processes import launching
from tests.upstream import tool_answer

SIZE: Final = (1120, 700)

TITLES: Final = (
    "Tide tables for Brest",
    "A duration parser in Python",
    "Names for a sailing boat",
    "What is a spring tide?",
)

QUESTION: Final = "How high is the water at Brest when the moon is new?"

ANSWER: Final = """At new moon the sun and the moon pull along the same line, so Brest has a **spring tide**.

| | high water | low water |
| --- | --- | --- |
| spring tide | 7.1 m | 1.0 m |
| neap tide | 5.4 m | 2.6 m |

Between two high waters it takes about 12 hours and 25 minutes. As a function of time:

```python
def height(hours: float) -> float:  # metres
    return 4.05 + 3.05 * cos(2 * pi * hours / 12.42)
```

So three hours after high water there are still about"""

CALLS: Final = tool_answer(
    [
        ("call_1", "current_time", '{"timezone": "Europe/Paris"}'),
        ("call_2", "calculate", '{"expression": "(7.1 + 1.0) / 2 + (7.1 - 1.0) / 2"}'),
    ]
)


async def empty(house: House, tab: Tab) -> None:
    """Nothing asked yet."""
    await tab.is_connected()


async def streaming(house: House, tab: Tab) -> None:
    """An answer that is being written."""
    house.playbook.script(QUESTION, endless(ANSWER))
    await tab.ask(QUESTION)
    await expect(tab.answer).to_contain_text("still about")


async def tool_call(house: House, tab: Tab) -> None:
    """Two tools that have run, one of them looked at."""
    question = "What time is it in Brest, and how high is the water at most?"
    thought = "The time first, then the height."
    house.playbook.script(question, CALLS, thinking(thought, "The water stands **7.1 m** high at most."))
    await tab.ask(question)
    await expect(tab.answer).to_contain_text("high at most.")
    await tab.rests()
    await tab.tool_call("calculate").locator("summary").click()


async def error(house: House, tab: Tab) -> None:
    """A provider that does not answer."""
    house.playbook.script(QUESTION, OVERLOADED)
    await tab.ask(QUESTION)
    await expect(tab.answer).to_contain_text("failed")
    await tab.rests()


Scene = Callable[[House, Tab], Awaitable[None]]
SCENES: Final[dict[str, tuple[Scene, dict[str, Any]]]] = {
    "empty": (empty, {}),
    "streaming": (streaming, {}),
    "tool-call": (tool_call, {}),
    "error": (error, {}),
    "dark": (streaming, {"theme": "dark"}),
    "phone": (streaming, {"size": PHONE, "is_mobile": True, "has_touch": True}),
}


async def main(folder: Path) -> None:
    """Take them all, each on a server of its own."""
    path = executable(whole=True)
    if path is None:
        sys.exit("Chromium is needed: install it, or set TIDEWIRE_TEST_CHROMIUM.")
    with launching() as launcher:
        async with browsing(path) as browser:
            for name, (scene, options) in SCENES.items():
                with tempfile.TemporaryDirectory() as database:
                    async with housed(browser, launcher, Path(database), TIDEWIRE_MODEL="demo") as house:
                        for title in reversed(TITLES):
                            await house.conversation(title=title)
                        shown: dict[str, Any] = {"size": SIZE, **options}
                        tab = await house.tab("/", **shown)
                        await scene(house, tab)
                        await tab.page.mouse.move(0, 0)
                        image = folder / f"{name}.png"
                        await tab.page.screenshot(path=image, animations="disabled", caret="hide")
                        print(f"{image}: {image.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(target))
