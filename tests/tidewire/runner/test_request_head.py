"""Connections that never come to the point."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.tidewire.runner.raw import RawConnection
from tests.tidewire.runner.servers import running
from tidewire.runner.protocol import WebSocketProtocol
from tidewire.runner.request_head import RequestHeadProtocol

REQUEST = b"GET / HTTP/1.1\r\nHost: tidewire.test\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: tidewire.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class HastyHTTP(RequestHeadProtocol):
    head_timeout = 0.2


class HastyWebSocket(WebSocketProtocol):
    handshake_timeout = 0.2


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer a request after longer than a head may take, and never accept a WebSocket."""
    if scope["type"] == "websocket":
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    await asyncio.sleep(2 * HastyHTTP.head_timeout)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with running(app, http=HastyHTTP, ws=HastyWebSocket) as url:
        yield url


@pytest.mark.parametrize("begun", [b"", b"GET / HT", REQUEST[:-2], UPGRADE[:-2]])
async def test_a_head_that_is_not_completed_ends_the_connection(url: str, begun: bytes) -> None:
    async with RawConnection(url) as connection:
        await connection.write(begun)
        await connection.ended()


async def test_the_next_head_has_to_be_completed_too(url: str) -> None:
    async with RawConnection(url) as connection:
        await connection.write(REQUEST)
        assert (await connection.read()).startswith(b"HTTP/1.1 200 OK")
        await connection.write(REQUEST[:-2])
        await connection.ended()


async def test_one_byte_after_the_other_does_not_win_time(url: str) -> None:
    async with RawConnection(url) as connection:
        ended = asyncio.create_task(connection.ended())
        async with asyncio.timeout(10):
            while not ended.done():
                await asyncio.wait({ended}, timeout=HastyHTTP.head_timeout / 4)
                if not ended.done():
                    await connection.write(b"G")


async def test_an_answer_may_take_longer_than_a_head(url: str) -> None:
    async with RawConnection(url) as connection:
        await connection.write(REQUEST)
        assert (await connection.read()).startswith(b"HTTP/1.1 200 OK")


async def test_a_websocket_that_is_never_accepted_is_cut(url: str) -> None:
    async with RawConnection(url) as connection:
        await connection.write(UPGRADE)
        assert await connection.read() == b""
