"""The schedule of an open loop."""

import asyncio
import time

from tidewire.load.pacer import Pacer


async def test_every_moment_comes_once_with_the_time_at_which_it_was_due() -> None:
    dues: list[int] = []
    enough = asyncio.Event()

    def fire(due: int) -> None:
        dues.append(due)
        if len(dues) == 3:
            # A loop that is blocked hears of what it has missed afterwards.
            time.sleep(0.02)
        if len(dues) == 100:
            enough.set()

    first, period = time.monotonic_ns(), 500_000
    pacer = Pacer(asyncio.get_running_loop(), fire, first, period)
    pacer.start()
    async with asyncio.timeout(30):
        await enough.wait()
    pacer.stop()
    assert dues == [first + number * period for number in range(len(dues))]


async def test_nothing_comes_after_the_stop() -> None:
    dues: list[int] = []
    pacer = Pacer(asyncio.get_running_loop(), dues.append, time.monotonic_ns() + 3_600 * 10**9, 1e9)
    pacer.start()
    pacer.stop()
    assert dues == []
