"""What only a real server shows: sockets that are cut, and bodies that come and go in pieces."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2
import pytest
import pytest_asyncio

from tests.processes import serve

pytestmark = pytest.mark.asyncio(loop_scope="module")

LINES = {"trpc-accept": "application/jsonl"}
OCTETS = {"content-type": "application/octet-stream"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        serve("tests.tidewire.transports.http_app:app") as server,
        httpx2.AsyncClient(base_url=f"{server.url}/api/trpc/", timeout=20) as connected,
    ):
        yield connected


def target(path: str, /, **input: Any) -> str:
    return f"{path}?input={quote(json.dumps(input))}"


async def reached(client: httpx2.AsyncClient, mark: str) -> None:
    answer = await client.get(target("until", mark=mark))
    assert answer.json() == {"result": {"data": mark}}


async def raw_request(client: httpx2.AsyncClient, request: bytes) -> bytes:
    """Send bytes, and give whatever is sent back until the server closes."""
    address = urlsplit(str(client.base_url))
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(request)
    try:
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


async def test_the_line_of_a_fast_call_arrives_before_a_slow_one_is_done(
    client: httpx2.AsyncClient,
) -> None:
    inputs = quote(json.dumps({"0": {"mark": "slow"}}))
    async with client.stream("GET", f"until,fast?batch=1&input={inputs}", headers=LINES) as answer:
        lines = answer.aiter_lines()
        async for line in lines:
            assert '"slow"' not in line
            if '"fast"' in line:
                break
        await client.post("mark", json={"name": "slow"})
        assert any(['"slow"' in line async for line in lines])


async def test_a_client_that_leaves_cancels_a_query(client: httpx2.AsyncClient) -> None:
    asking = asyncio.create_task(client.get(target("hang", name="query")))
    await reached(client, "query begun")
    asking.cancel()
    await reached(client, "query cancelled")


async def test_a_client_that_leaves_closes_a_subscription(client: httpx2.AsyncClient) -> None:
    async with client.stream("GET", target("feed", name="left")) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        async for line in answer.aiter_lines():
            if line == 'data: "ready"':
                break
    await reached(client, "left closed")


async def test_an_event_arrives_while_the_stream_goes_on(client: httpx2.AsyncClient) -> None:
    async with client.stream("GET", target("feed", name="live")) as answer:
        lines = answer.aiter_lines()
        async for line in lines:
            if line == 'data: "ready"':
                break
        await client.post("mark", json={"name": "live go"})
        async for line in lines:
            if line == 'data: "gone on"':
                return
    pytest.fail("the stream ended")


async def test_a_mutation_goes_on_without_its_client(client: httpx2.AsyncClient) -> None:
    asking = asyncio.create_task(client.post("save", json={"name": "saved"}))
    await reached(client, "saved begun")
    asking.cancel()
    await client.post("mark", json={"name": "saved go"})
    await reached(client, "saved done")


async def test_nothing_is_left_of_200_requests_that_were_given_up(client: httpx2.AsyncClient) -> None:
    times = 200
    before = (await client.get("tasks")).json()["result"]["data"]
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=client.base_url, limits=limits, timeout=20) as leaving:
        names = [f"{number}" for number in range(times)]
        asking = [asyncio.create_task(leaving.get(target("hang", name=name))) for name in names]
        for name in names:
            await reached(client, f"{name} begun")
        for task in asking:
            task.cancel()
        for name in names:
            await reached(client, f"{name} cancelled")
    after = (await client.get("tasks")).json()["result"]["data"]
    # The server may not have done with the last sockets yet.
    assert after < before + times / 10


async def test_bytes_are_read_while_they_are_sent(client: httpx2.AsyncClient) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"x" * 100_000
        await reached(client, "first bytes")
        for _ in range(50):
            yield b"x" * 100_000

    answer = await client.post("size", content=body(), headers=OCTETS)
    assert answer.json() == {"result": {"data": 5_100_000}}


async def test_a_body_of_no_announced_length_is_refused_at_the_limit(client: httpx2.AsyncClient) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 100_000

    answer = await client.post("size", content=body(), headers=OCTETS)
    assert answer.status_code == 413
    chunk = b"x" * 600
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for _ in range(3)) + b"0\r\n\r\n"
    head = (
        b"POST /api/trpc/mark HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n"
    )
    answered = await raw_request(client, head + b"transfer-encoding: chunked\r\n\r\n" + chunks)
    assert answered.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"PAYLOAD_TOO_LARGE"' in answered


@pytest.mark.parametrize(
    "line",
    [
        b"GET /api/trpc/fast?batch=1&input=%zz HTTP/1.1",
        b"GET /api/trpc/%zz HTTP/1.1",
        b"GET /api/trpc/" + b"," * 60_000 + b"?batch=1 HTTP/1.1",
        b"GET /api/trpc/fast?input=" + b"[" * 60_000 + b" HTTP/1.1",
        b"GET /api/trpc/fast?input=\xff HTTP/1.1",
        b"GET /api/trpc/\xff HTTP/1.1",
    ],
    ids=["query", "path", "commas", "nesting", "bytes", "path-bytes"],
)
# The server itself refuses a head of more than 64 KiB, and may reset the connection while it is still sent.
async def test_a_bad_request_line_is_never_a_failure_of_the_server(
    client: httpx2.AsyncClient, line: bytes
) -> None:
    answered = await raw_request(client, line + b"\r\nhost: a\r\nconnection: close\r\n\r\n")
    assert answered.startswith(b"HTTP/1.1 4")
    assert (await client.get("fast")).json() == {"result": {"data": "fast"}}
