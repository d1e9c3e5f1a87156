"""Messages on their way to the application."""

import asyncio

import pytest

from tidewire.runner.mailbox import Mailbox


async def test_messages_come_in_order_and_once() -> None:
    mailbox = Mailbox()
    mailbox.put_nowait(1)
    mailbox.put_nowait(2)
    assert not mailbox.empty()
    assert [await mailbox.get(), await mailbox.get()] == [1, 2]
    assert mailbox.empty()


async def test_a_reader_waits_for_the_next_message() -> None:
    mailbox = Mailbox()
    reading = asyncio.create_task(mailbox.get())
    await asyncio.sleep(0)
    assert not reading.done()
    mailbox.put_nowait(1)
    mailbox.put_nowait(2)
    assert await reading == 1
    assert await mailbox.get() == 2


async def test_what_a_cancelled_reader_waited_for_is_kept() -> None:
    mailbox = Mailbox()
    reading = asyncio.create_task(mailbox.get())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    mailbox.put_nowait(1)
    assert await mailbox.get() == 1


async def test_two_readers_get_a_message_each() -> None:
    mailbox = Mailbox()
    readings = [asyncio.create_task(mailbox.get()) for _ in range(2)]
    await asyncio.sleep(0)
    mailbox.put_nowait(1)
    mailbox.put_nowait(2)
    assert sorted(await asyncio.gather(*readings)) == [1, 2]


async def test_messages_that_come_between_two_that_are_taken_keep_their_place() -> None:
    mailbox = Mailbox()
    taken: list[int] = []
    for number in range(6):
        mailbox.put_nowait(2 * number)
        mailbox.put_nowait(2 * number + 1)
        taken.append(await mailbox.get())
    taken += [await mailbox.get() for _ in range(6)]
    assert taken == list(range(12))
