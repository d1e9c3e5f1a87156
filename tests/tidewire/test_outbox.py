"""The queue of frames in front of one socket."""

import asyncio

import pytest

from tidewire.outbox import Outbox, OutboxOverflowError


async def test_frames_come_out_in_order_and_all_that_wait_at_a_time() -> None:
    outbox = Outbox()
    batches = aiter(outbox.batches())
    outbox.put(b"1")
    outbox.put(b"2")
    assert await anext(batches) == [b"1", b"2"]
    outbox.put(b"3")
    assert await anext(batches) == [b"3"]


async def test_an_empty_outbox_waits_for_a_frame() -> None:
    outbox = Outbox()
    waiting = asyncio.ensure_future(anext(aiter(outbox.batches())))
    await asyncio.sleep(0)
    assert not waiting.done()
    outbox.put(b"1")
    assert await waiting == [b"1"]


async def test_what_waits_is_given_out_after_the_outbox_was_closed() -> None:
    outbox = Outbox()
    outbox.put(b"1")
    outbox.close()
    outbox.put(b"too late")
    assert [batch async for batch in outbox.batches()] == [[b"1"]]


async def test_a_frame_put_while_a_batch_is_being_sent_is_not_lost_by_closing() -> None:
    outbox = Outbox()
    outbox.put(b"1")
    sent: list[bytes] = []
    async for batch in outbox.batches():
        sent += batch
        if batch == [b"1"]:
            outbox.put(b"2")
            outbox.close()
    assert sent == [b"1", b"2"]


async def test_an_outbox_that_is_closed_while_it_is_empty_ends() -> None:
    outbox = Outbox()
    ended = asyncio.ensure_future(anext(aiter(outbox.batches()), None))
    await asyncio.sleep(0)
    outbox.close()
    assert await ended is None
    assert outbox.closed


async def test_there_is_room_until_the_limit_is_waiting() -> None:
    outbox = Outbox(limit=3)
    await outbox.room()
    outbox.put(b"12")
    await outbox.room()
    outbox.put(b"3")
    waiting = asyncio.ensure_future(outbox.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    outbox.close()
    await waiting


async def test_a_batch_that_is_being_sent_still_takes_up_room() -> None:
    outbox = Outbox(limit=3)
    batches = aiter(outbox.batches())
    outbox.put(b"123")
    waiting = asyncio.ensure_future(outbox.room())
    assert await anext(batches) == [b"123"]
    await asyncio.sleep(0)
    assert not waiting.done()
    following = asyncio.ensure_future(anext(batches))
    await waiting
    outbox.put(b"4")
    assert await following == [b"4"]


async def test_only_as_many_as_fit_go_on_when_there_is_room_again() -> None:
    outbox = Outbox(limit=4)
    outbox.put(b"full")

    async def put(frame: bytes) -> None:
        await outbox.room()
        outbox.put(frame)

    puts = [asyncio.create_task(put(b"abc")) for _ in range(10)]
    async for batch in outbox.batches():
        assert sum(map(len, batch)) <= 6
        if all(task.done() for task in puts):
            outbox.close()
    await asyncio.gather(*puts)


async def test_what_cannot_wait_may_exceed_the_limit_by_half() -> None:
    outbox = Outbox(limit=4)
    outbox.put(b"full")
    outbox.put(b"12")
    with pytest.raises(OutboxOverflowError, match="6 bytes are waiting for a peer that does not read"):
        outbox.put(b"3")


async def test_what_exceeded_the_limit_is_forgotten_when_there_is_room_again() -> None:
    outbox = Outbox(limit=4)
    batches = aiter(outbox.batches())
    for _ in range(5):
        outbox.put(b"full")
        outbox.put(b"12")
        assert await anext(batches) == [b"full", b"12"]
        following = asyncio.ensure_future(anext(batches))
        await outbox.room()
        outbox.put(b"1")
        assert await following == [b"1"]
        following.cancel()


async def test_what_cannot_wait_fits_behind_a_frame_of_any_size() -> None:
    outbox = Outbox(limit=4)
    outbox.put(b"x" * 1000)
    outbox.put(b"12")
    assert not outbox.has_room


async def test_what_is_discarded_is_not_given_out() -> None:
    outbox = Outbox(limit=4)
    outbox.put(b"full")
    outbox.discard()
    outbox.put(b"too late")
    assert outbox.closed
    assert [batch async for batch in outbox.batches()] == []


async def test_clearing_a_batch_does_not_change_what_counts_as_waiting() -> None:
    outbox = Outbox(limit=4)
    batches = aiter(outbox.batches())
    outbox.put(b"full")
    (await anext(batches)).clear()
    assert not outbox.has_room
    following = asyncio.ensure_future(anext(batches))
    await outbox.room()
    following.cancel()


async def test_a_single_frame_may_be_larger_than_the_limit() -> None:
    outbox = Outbox(limit=2)
    outbox.put(b"123456789")
    outbox.close()
    assert [batch async for batch in outbox.batches()] == [[b"123456789"]]
