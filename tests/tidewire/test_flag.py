"""Waiting for something to be so."""

import asyncio

from tests.tidewire.chat.log.journal import turn_of_the_loop
from tidewire.flag import Flag


async def test_who_waits_goes_on_when_it_is_set_and_all_do() -> None:
    flag = Flag()
    waiting = [asyncio.create_task(flag.wait()) for _ in range(3)]
    await turn_of_the_loop(3)
    assert not any(task.done() for task in waiting)
    flag.set()
    async with asyncio.timeout(10):
        await asyncio.gather(*waiting)
    assert flag.is_set


async def test_who_comes_later_does_not_wait_until_it_is_cleared() -> None:
    flag = Flag(is_set=True)
    async with asyncio.timeout(10):
        await flag.wait()
    flag.clear()
    waiting = asyncio.create_task(flag.wait())
    await turn_of_the_loop(3)
    assert not waiting.done()
    flag.set()
    await waiting


async def test_who_waited_when_it_was_set_goes_on_though_it_is_cleared_at_once() -> None:
    flag = Flag()
    waiting = asyncio.create_task(flag.wait())
    await turn_of_the_loop(3)
    flag.set()
    flag.clear()
    async with asyncio.timeout(10):
        await waiting


async def test_one_that_is_cancelled_does_not_take_it_from_another() -> None:
    flag = Flag()
    cancelled, waiting = (asyncio.create_task(flag.wait()) for _ in range(2))
    await turn_of_the_loop(3)
    cancelled.cancel()
    await turn_of_the_loop(3)
    assert cancelled.cancelled()
    flag.set()
    async with asyncio.timeout(10):
        await waiting
