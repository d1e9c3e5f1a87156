"""How responsive the page stays: `python -m tests.browser.long_tasks`, which prints, and asserts nothing.

5,000 tokens at 200 a second stream into a conversation with 200 messages: how long the main thread's tasks
were, and the frames between them. Then 1,000 messages are scrolled through from end to beginning: how often
there were frames, and how much the main thread had to do for each.

A task's length is told by the clock, which also counts what it waits for a core while other processes have
them all, and in processor time, which does not.
"""

import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, expect

from tests.browser.chromium import browsing, executable
from tests.browser.house import House, housed
from tests.browser.tab import Tab
from tests.processes import launching
from tests.upstream import DONE, ROLE, Pause, Script, Send, Step, chunk, usage_chunk

TOKENS: Final = 5_000
RATE: Final = 200.0  # tokens a second
HISTORY: Final = 200
LONG_HISTORY: Final = 1_000
TIMER_DELAY: Final = 0.002  # seconds that a pause takes longer than it was to, as measured here
SCROLL_STEP: Final = 120  # pixels a frame, as a fast wheel does

PARAGRAPH: Final = (
    "The **tide** is the rise and fall of sea levels, see [the moon](https://example.org/moon). "
    "It has `two` highs a day, and two lows; the *spring* tide is the highest of a fortnight.\n\n"
)
CODE: Final = """```python
def tide(hour: int, range: float = 4.2) -> float:
    \"\"\"The height of the water, in metres.\"\"\"
    return range / 2 * cos(2 * pi * hour / 12.42)
```

"""
LIST: Final = (
    "1. the moon's pull\n2. the sun's, which is *half* of that\n   - at new moon\n   - at full moon\n\n"
)
TABLE: Final = "| time | height |\n| --- | --- |\n| 06:12 | 4.1 m |\n| 12:25 | 0.3 m |\n\n"
TEXT: Final = PARAGRAPH + LIST + PARAGRAPH + CODE + PARAGRAPH + TABLE

LONG: Final = 50.0  # milliseconds: what RAIL calls a long task
FRAME: Final = 1000 / 60  # milliseconds

WATCH: Final = """() => {
  window.frames = [];
  let last = performance.now();
  const frame = (now) => {
    window.frames.push(now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""

SCROLL: Final = """async (log, step) => {
  const intervals = [];
  let last = await new Promise(requestAnimationFrame);
  let still = 0;
  // At the top the page loads what is older; it is over when nothing moves for a second.
  while (still < 60) {
    const before = log.scrollTop;
    log.scrollTop = before - step;
    const now = await new Promise(requestAnimationFrame);
    if (log.scrollTop === before) still += 1;
    else {
      still = 0;
      intervals.push(now - last);
    }
    last = now;
  }
  return intervals;
}"""


def tokens(count: int) -> Iterator[str]:
    """Pieces of Markdown, about as large as a model's tokens."""
    text = TEXT * (count // len(TEXT) * 5 + 5)
    return (text[start : start + 4] for start in range(0, 4 * count, 4))


def paced(count: int, rate: float) -> Script:
    """An answer of so many tokens, so many of them a second.

    Several in one pause: timers are not that exact.
    """
    steps: list[Step] = [ROLE]
    batch = max(1, round(rate / 50))
    pieces = list(tokens(count))
    for start in range(0, count, batch):
        sends = [chunk({"content": piece}) for piece in pieces[start : start + batch]]
        steps += [Pause(batch / rate - TIMER_DELAY), Send(b"".join(send.data for send in sends))]
    return Script([*steps, chunk({}, "stop"), usage_chunk(), DONE])


def spread(milliseconds: Sequence[float]) -> str:
    """Percentiles, in words."""
    if not milliseconds:
        return "none"
    ordered = sorted(milliseconds)
    p50, p95 = (ordered[int(share * (len(ordered) - 1))] for share in (0.50, 0.95))
    return f"p50 {p50:.1f} ms, p95 {p95:.1f} ms, max {ordered[-1]:.1f} ms ({len(ordered)})"


@dataclass(frozen=True)
class Task:
    """A task of the page's main thread; times in milliseconds."""

    began: float
    took: float
    processor: float
    is_frame: bool
    """Whether it makes a frame; what follows up to the next one belongs to it."""


@asynccontextmanager
async def traced(browser: Browser, tab: Tab) -> AsyncGenerator[list[Task]]:
    """Trace a page for the length of the block; its tasks are in the list after that."""
    tasks: list[Task] = []
    await browser.start_tracing(page=tab.page, categories=["toplevel"])
    yield tasks
    tasks += tasks_of(await browser.stop_tracing())


def tasks_of(trace: bytes) -> list[Task]:
    """The tasks of the page's main thread in a trace of Chromium's, but for those that Playwright gave it."""
    events: list[dict[str, Any]] = json.loads(trace)["traceEvents"]
    names = {
        (each["pid"], each["tid"]): each["args"]["name"] for each in events if each["name"] == "thread_name"
    }
    # A browser has other pages, such as the one that a new tab shows; they have hardly any tasks.
    threads: dict[int, list[dict[str, Any]]] = {}
    for each in events:
        if "dur" in each and names.get((each["pid"], each["tid"])) == "CrRendererMain":
            threads.setdefault(each["pid"], []).append(each)
    main = max(threads.values(), key=len)
    driver = sorted(each["ts"] for each in main if "DevToolsSession" in json.dumps(each["args"]))
    return sorted(
        (
            Task(
                began=each["ts"] / 1000,
                took=each["dur"] / 1000,
                # Not every trace has the thread's clock; a task takes no more than it lasts.
                processor=each.get("tdur", each["dur"]) / 1000,
                is_frame=each["args"].get("src_func") == "ScheduledActionSendBeginMainFrame",
            )
            for each in main
            # Others are parts of one.
            if each["name"] == "ThreadControllerImpl::RunTask"
            and bisect_left(driver, each["ts"]) == bisect_right(driver, each["ts"] + each["dur"])
        ),
        key=lambda task: task.began,
    )


def work_of_frames(tasks: Sequence[Task]) -> list[float]:
    """The processor time that the main thread spent for each frame, with what it did until the next."""
    frames: list[float] = []
    for task in tasks:
        if task.is_frame:
            frames.append(0.0)
        if frames:
            frames[-1] += task.processor
    return frames


def print_tasks(tasks: Sequence[Task], seconds: float) -> None:
    """Say how long they were, and how many were long."""
    print(f"  tasks of the main thread: {spread([task.took for task in tasks])}")
    print(f"  their processor time: {spread([task.processor for task in tasks])}")
    long = [task.took for task in tasks if task.took > LONG]
    share = sum(long) / 10 / seconds
    busy = sum(task.processor > LONG for task in tasks)
    print(f"  of over {LONG:.0f} ms: {len(long)}, {share:.1f} % of the time; by processor time: {busy}")


async def measure_streaming(browser: Browser, house: House) -> None:
    """Stream into a conversation with a history."""
    conversation = await house.conversation(title="Long")
    house.remember(conversation, (TEXT for _ in range(HISTORY)))
    tab = await house.tab()
    await tab.visit(conversation)
    await tab.page.evaluate(WATCH)
    house.playbook.script("Go on", paced(TOKENS, RATE))
    async with traced(browser, tab) as tasks:
        began = asyncio.get_running_loop().time()
        await tab.ask("Go on")
        seconds = 2 * TOKENS / RATE + 60
        await expect(tab.button("Stop")).to_have_count(0, timeout=1000 * seconds)
        took = asyncio.get_running_loop().time() - began
    print(f"{TOKENS} tokens in {took:.1f} s ({TOKENS / took:.0f} a second), into {HISTORY} messages")
    print_tasks(tasks, took)
    print(f"  between frames: {spread(await tab.page.evaluate('window.frames'))}")
    await tab.page.context.close()


async def measure_scrolling(browser: Browser, house: House) -> None:
    """Scroll from the end to the beginning, with all that has to be loaded on the way."""
    conversation = await house.conversation(title="Longer")
    house.remember(conversation, (f"{number}. {TEXT}" for number in range(LONG_HISTORY)))
    tab: Tab = await house.tab()
    await tab.visit(conversation)
    await expect(tab.answer).to_be_visible()
    async with traced(browser, tab) as tasks:
        intervals: list[float] = await tab.log.evaluate(SCROLL, SCROLL_STEP)
    shown = await tab.asked.count() + await tab.answers.count()
    rate = 1000 / statistics.mean(intervals)
    print(
        f"{shown} messages scrolled through, {len(intervals)} frames of {SCROLL_STEP} px: {rate:.0f} a second"
    )
    print(f"  between frames: {spread(intervals)}")
    work = work_of_frames(tasks)
    late = sum(each > FRAME for each in work)
    print(f"  processor time of the main thread for a frame: {spread(work)}")
    print(f"  of over {FRAME:.1f} ms: {late} ({100 * late / len(work):.1f} %)")
    await tab.page.context.close()


async def main() -> None:
    """Measure both, on a server and with a browser of their own."""
    path = executable(whole=True)
    if path is None:
        sys.exit("Chromium is needed: install it, or set TIDEWIRE_TEST_CHROMIUM.")
    with launching() as launcher, tempfile.TemporaryDirectory() as folder:
        async with browsing(path) as browser, housed(browser, launcher, Path(folder)) as house:
            machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"
            print(f"Chromium {browser.version} without a GPU; browser, server and provider share {machine}")
            await measure_streaming(browser, house)
            await measure_scrolling(browser, house)


if __name__ == "__main__":
    asyncio.run(main())
