"""Sending an HTTP answer: at once, or in pieces while the client stays."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from starlette.types import Receive, Send

from ..outbox import Outbox

Headers = Sequence[tuple[str, str]]


async def send_body(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send an answer that is there as a whole.

    It has no length, as the reference's has none; the server frames it.
    """
    await _start(send, status, headers)
    await send({"type": "http.response.body", "body": body})


async def send_stream(
    send: Send, status: int, headers: Headers, outbox: Outbox, *, ping: bytes, ping_interval: float | None
) -> None:
    """Send what comes out of `outbox` until that ends, and `ping` after each pause.

    Args:
        ping_interval: seconds without a piece; None for no pings.
    """
    await _start(send, status, headers)
    pinging = asyncio.create_task(_ping(outbox, ping, ping_interval))
    try:
        async for pieces in outbox.batches():
            await send({"type": "http.response.body", "body": b"".join(pieces), "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        pinging.cancel()


async def while_connected(receive: Receive, work: Awaitable[Any]) -> None:
    """Do `work`, but cancel it when the client disconnects. The body must have been read, or be empty."""
    working = asyncio.ensure_future(work)
    watching = asyncio.create_task(_disconnected(receive))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        watching.cancel()
        gone = not working.done()
        if gone:
            working.cancel()
        await asyncio.wait({working, watching})
    if not gone:
        working.result()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _start(send: Send, status: int, headers: Headers) -> None:
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def _ping(outbox: Outbox, ping: bytes, interval: float | None) -> None:
    if interval is None:
        return
    loop = asyncio.get_running_loop()
    while not outbox.closed:
        quiet = loop.time() - outbox.last_put
        if quiet < interval:
            await asyncio.sleep(interval - quiet)
        else:
            await outbox.room()
            outbox.put(ping)
