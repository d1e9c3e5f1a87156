"""What uvicorn is told for every application."""

import asyncio
from typing import Any

from tests.tidewire.runner.raw import RawConnection
from tests.tidewire.runner.servers import running
from tidewire.runner.http import HTTPProtocol
from tidewire.runner.server import REQUEST_HEAD_BYTES, configure

PIECES = 8


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def head(length: int) -> bytes:
    start, end = b"GET /?input=", b" HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    return start + b"x" * (length - len(start) - len(end)) + end


async def answer(request: bytes) -> bytes:
    """Send a request in pieces, each after the one before was read."""
    read = asyncio.Queue[None]()

    class Protocol(HTTPProtocol):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            read.put_nowait(None)

    config = configure(app, host="127.0.0.1", port=0, max_message_bytes=1)
    options = {"h11_max_incomplete_event_size": config.h11_max_incomplete_event_size, "http": Protocol}
    size = len(request) // PIECES
    async with asyncio.timeout(10), running(app, **options) as url, RawConnection(url) as connection:
        for position in range(0, len(request), size):
            await connection.write(request[position : position + size])
            await read.get()
        return await connection.read()


async def test_a_head_may_be_64_kib_also_when_it_comes_in_pieces() -> None:
    assert (await answer(head(REQUEST_HEAD_BYTES))).startswith(b"HTTP/1.1 200 ")


async def test_a_longer_head_is_refused() -> None:
    request = head(2 * REQUEST_HEAD_BYTES)[: REQUEST_HEAD_BYTES + PIECES]
    assert (await answer(request)).startswith(b"HTTP/1.1 400 ")
