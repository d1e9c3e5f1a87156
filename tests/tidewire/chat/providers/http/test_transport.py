"""The transport on real sockets: what it says of each failure, and when it closes or keeps a connection."""

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from tests.tidewire.chat.providers.http.server import LAST_CHUNK, End, Server, Step, chunked, sized
from tidewire.chat.providers.http import transport as transport_module
from tidewire.chat.providers.http.connection import READ_AHEAD
from tidewire.chat.providers.http.transport import StreamTransport

# Seconds, for a machine that is busy: what is waited for is waited for without an end.
AT_ONCE: Final = 1.0
CERTIFICATE: Final = Path(__file__).with_name("localhost.pem")
"""Of nobody but these tests, with its key."""


@pytest.fixture
async def transport() -> AsyncIterator[StreamTransport]:
    transport = StreamTransport()
    yield transport
    await transport.aclose()


async def open_response(transport: StreamTransport, url: str, **timeouts: float) -> httpx2.Response:
    extensions = {"timeout": timeouts}
    return await transport.handle_async_request(
        httpx2.Request("POST", f"{url}/x?y=1", content=b"{}", extensions=extensions)
    )


async def fetch(transport: StreamTransport, url: str, **timeouts: float) -> bytes:
    response = await open_response(transport, url, **timeouts)
    try:
        return await response.aread()
    finally:
        await response.aclose()


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


async def test_a_request_is_sent_as_it_is_and_its_response_told(transport: StreamTransport) -> None:
    async with Server(
        [b"HTTP/1.1 404 Not Here\r\nContent-Length: 2\r\nX-Two: a\r\nX-Two: b\r\n\r\nno"]
    ) as server:
        response = await open_response(transport, server.url)
        assert await response.aread() == b"no"
        assert server.requests[0].startswith(b"POST /x?y=1 HTTP/1.1\r\n")
        assert b"\r\nHost: 127.0.0.1:%d\r\n" % server.port in server.requests[0]
    assert (response.status_code, response.reason_phrase) == (404, "Not Here")
    assert response.headers.get_list("x-two") == ["a", "b"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([sized(b"hello")], id="with a length"),
        pytest.param([chunked(b"he", b"llo"), LAST_CHUNK], id="in chunks"),
        pytest.param([chunked(b"hello"), b"0\r\nX-Trailer: 1\r\n\r\n"], id="with trailers"),
        pytest.param([b"HTTP/1.1 200 OK\n", b"Content-Length: 5\n\nhello"], id="with bare line feeds"),
        pytest.param([b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello"], id="without a reason"),
        pytest.param([b"HTTP/1.0 200 OK\r\n\r\nhel", b"lo", End.CLOSE], id="up to the close"),
        pytest.param(
            [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nX: 1\r\n\r\n", sized(b"hello")],
            id="interim",
        ),
    ],
)
async def test_a_body_may_be_framed_in_any_way(transport: StreamTransport, answer: Sequence[Step]) -> None:
    async with Server(answer) as server:
        response = await open_response(transport, server.url)
        assert await response.aread() == b"hello"
        assert "x" not in response.headers


async def test_a_response_without_a_body_has_none(transport: StreamTransport) -> None:
    async with Server([b"HTTP/1.1 204 No Content\r\n\r\n"], [sized(b"b")]) as server:
        assert [await fetch(transport, server.url) for _ in range(2)] == [b"", b"b"]
        assert server.connections == 1


async def test_a_large_body_waits_until_it_is_read(transport: StreamTransport) -> None:
    body = bytes(range(256)) * (READ_AHEAD // 16)
    async with Server([sized(body)]) as server:
        response = await open_response(transport, server.url)
        # The server cannot send it to its end, so it can only be cut off.
        assert not server.arrived.is_set()
        assert await response.aread() == body
        await server.arrived.wait()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param([End.CLOSE], httpx2.RemoteProtocolError, id="closed"),
        pytest.param([End.RESET], httpx2.ReadError, id="reset"),
        pytest.param([b"HTTP/1.1 200 OK\r\nConte", End.CLOSE], httpx2.RemoteProtocolError, id="cut head"),
        pytest.param([b"SSH-2.0-OpenSSH\r\n"], httpx2.RemoteProtocolError, id="not HTTP"),
        pytest.param(
            [b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"],
            httpx2.RemoteProtocolError,
            id="an upgrade",
        ),
        pytest.param(
            [b"HTTP/1.1 200 OK\r\nX: " + b"x" * READ_AHEAD], httpx2.RemoteProtocolError, id="endless head"
        ),
    ],
)
async def test_a_failure_before_the_head_is_told_as_it_is(
    transport: StreamTransport, answer: Sequence[Step], error: type[httpx2.TransportError]
) -> None:
    async with Server(answer) as server:
        with pytest.raises(error):
            await open_response(transport, server.url)
        assert server.requests[1:] == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(
            [sized(b"hello")[:-1], End.CLOSE], httpx2.RemoteProtocolError, id="a length not reached"
        ),
        pytest.param([chunked(b"hello"), End.CLOSE], httpx2.RemoteProtocolError, id="no last chunk"),
        pytest.param([chunked(b"hello")[:-4], End.CLOSE], httpx2.RemoteProtocolError, id="a cut chunk"),
        pytest.param([chunked(b"hello"), b"0\r\n", End.CLOSE], httpx2.RemoteProtocolError, id="a cut end"),
        pytest.param([chunked(b"hello"), b"oops\r\n"], httpx2.RemoteProtocolError, id="broken chunks"),
        pytest.param(
            [b"HTTP/1.0 200 OK\r\n\r\nhel", End.RESET], httpx2.ReadError, id="reset without a length"
        ),
        pytest.param([chunked(b"hello"), End.RESET], httpx2.ReadError, id="reset"),
    ],
)
async def test_a_body_cut_short_is_never_whole(
    transport: StreamTransport, answer: Sequence[Step], error: type[httpx2.TransportError]
) -> None:
    async with Server(answer) as server:
        response = await open_response(transport, server.url)
        with pytest.raises(error):
            await response.aread()


async def test_what_came_before_the_cut_is_there(transport: StreamTransport) -> None:
    gate = asyncio.Event()
    async with Server([chunked(b"hello"), gate, End.CLOSE]) as server:
        response = await open_response(transport, server.url)
        gate.set()
        pieces = response.aiter_raw()
        assert await anext(pieces) == b"hello"
        with pytest.raises(httpx2.RemoteProtocolError):
            await anext(pieces)


async def test_a_port_where_nobody_listens_is_told_as_such(transport: StreamTransport) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(httpx2.ConnectError):
            await open_response(transport, f"http://127.0.0.1:{taken.getsockname()[1]}", connect=60)


@pytest.mark.parametrize("host", ["nobody.invalid", f"{'x' * 64}.example"])
async def test_a_host_without_an_address_is_told_as_such(transport: StreamTransport, host: str) -> None:
    with pytest.raises(httpx2.ConnectError):
        await open_response(transport, f"http://{host}", connect=60)


async def test_a_scheme_of_another_kind_is_refused(transport: StreamTransport) -> None:
    with pytest.raises(httpx2.UnsupportedProtocol):
        await open_response(transport, "ftp://127.0.0.1")


async def test_a_header_that_would_be_two_is_not_sent(transport: StreamTransport) -> None:
    async with Server() as server:
        request = httpx2.Request("GET", server.url, headers={"Authorization": "Bearer secret\nX: y"})
        with pytest.raises(httpx2.LocalProtocolError) as caught:
            await transport.handle_async_request(request)
        assert server.connections == 0
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("steps", [[], [chunked(b"hello")], [chunked(), b"5\r\nhe"]])
async def test_silence_is_given_up_and_closed(transport: StreamTransport, steps: Sequence[Step]) -> None:
    async with Server(steps) as server:
        with pytest.raises(httpx2.ReadTimeout):
            await fetch(transport, server.url, read=0.05)
        await server.left.wait()


async def test_a_sign_of_life_starts_the_time_anew(transport: StreamTransport) -> None:
    gates = [asyncio.Event() for _ in range(4)]
    # Not even a byte of the body, but of its framing.
    steps: list[Step] = [
        step for gate, byte in zip(gates, b"0005", strict=True) for step in (gate, bytes([byte]))
    ]
    async with Server([chunked(), *steps, b"\r\nhello\r\n", LAST_CHUNK]) as server:
        loop = asyncio.get_running_loop()
        began, patience = loop.time(), 0.5
        for number, gate in enumerate(gates, 1):
            loop.call_later(number * patience * 0.4, gate.set)
        assert await fetch(transport, server.url, read=patience) == b"hello"
        assert loop.time() - began > patience


async def test_a_server_that_does_not_take_connections_is_given_up(transport: StreamTransport) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        with pytest.raises(httpx2.ConnectTimeout):
            await open_response(transport, f"http://127.0.0.1:{full.getsockname()[1]}", connect=0.05)
        for each in waiting:
            each.close()


@pytest.mark.parametrize("steps", [[], [chunked()], [chunked(b"hello")]])
async def test_cancelling_closes_the_connection_at_once(
    transport: StreamTransport, steps: Sequence[Step]
) -> None:
    async with Server(steps) as server:
        task = asyncio.create_task(fetch(transport, server.url, read=60))
        await server.arrived.wait()
        await cancelled(task, server.left)


@pytest.mark.parametrize("is_refused", [False, True])
async def test_cancelling_closes_a_connection_whose_handshake_is_under_way(
    transport: StreamTransport, is_refused: bool
) -> None:
    arrived, left = asyncio.Event(), asyncio.Event()

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        arrived.set()
        if is_refused:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        left.set()
        writer.close()

    async with await asyncio.start_server(receive, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        task = asyncio.create_task(open_response(transport, f"https://127.0.0.1:{port}", connect=60))
        await arrived.wait()
        if is_refused:
            with pytest.raises(httpx2.ConnectError):
                await task
            await left.wait()
        else:
            await cancelled(task, left)


async def cancelled(task: asyncio.Task[Any], left: asyncio.Event) -> None:
    clock = asyncio.get_running_loop().time
    began = clock()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await left.wait()
    assert clock() - began < AT_ONCE


@pytest.mark.parametrize("piece", [b"", b"hello"])
async def test_closing_a_response_before_its_end_closes_the_connection(
    transport: StreamTransport, piece: bytes
) -> None:
    async with Server([chunked(*filter(None, [piece]))]) as server:
        response = await open_response(transport, server.url)
        await response.aclose()
        await server.left.wait()


async def test_a_response_read_to_its_end_leaves_the_connection_to_the_next(
    transport: StreamTransport,
) -> None:
    async with Server([sized(b"a")], [chunked(b"b"), LAST_CHUNK], [sized(b"c")]) as server:
        assert [await fetch(transport, server.url) for _ in range(3)] == [b"a", b"b", b"c"]
        assert server.connections == 1


async def test_requests_at_the_same_time_have_connections_of_their_own(transport: StreamTransport) -> None:
    gate = asyncio.Event()
    answers: list[Sequence[Step]] = [[gate, sized(b"a")]]
    async with Server(*answers * 150) as server:
        tasks = [asyncio.create_task(fetch(transport, server.url)) for _ in range(150)]
        while len(server.requests) < 150:
            await asyncio.wait(tasks, timeout=0.01)
        gate.set()
        assert set(await asyncio.gather(*tasks)) == {b"a"}
        assert server.connections == 150


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([sized(b"a", b"Connection: close")], id="it says so"),
        pytest.param([b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na"], id="HTTP/1.0"),
        pytest.param([sized(b"a") + sized(b"not asked for")], id="a second response came with it"),
        pytest.param([sized(b"a") + b"rest"], id="a rest came with it"),
        pytest.param([sized(b"a"), sized(b"not asked for")], id="a second response came after it"),
        pytest.param([sized(b"a"), End.CLOSE], id="it was closed"),
    ],
)
async def test_a_connection_that_is_not_clean_is_not_used_again(
    transport: StreamTransport, answer: Sequence[Step]
) -> None:
    async with Server(answer, [sized(b"b")]) as server:
        assert [await fetch(transport, server.url) for _ in range(2)] == [b"a", b"b"]
        assert (server.connections, len(server.requests)) == (2, 2)


@pytest.mark.parametrize("end", End)
async def test_a_kept_connection_that_turns_out_dead_costs_no_request(
    transport: StreamTransport, end: End
) -> None:
    async with Server([sized(b"a")], [end], [sized(b"b")]) as server:
        assert [await fetch(transport, server.url) for _ in range(2)] == [b"a", b"b"]
        assert (server.connections, len(server.requests)) == (2, 3)


async def test_a_request_is_sent_twice_at_most(transport: StreamTransport) -> None:
    async with Server([sized(b"a")], [End.CLOSE], [End.CLOSE], [sized(b"b")]) as server:
        await fetch(transport, server.url)
        with pytest.raises(httpx2.RemoteProtocolError):
            await fetch(transport, server.url)
        assert len(server.requests) == 3


@pytest.mark.parametrize("answer", [[b"HTTP/1.1 200", End.CLOSE], []])
async def test_a_request_that_was_answered_or_may_be_is_not_sent_again(
    transport: StreamTransport, answer: Sequence[Step]
) -> None:
    async with Server([sized(b"a")], answer) as server:
        await fetch(transport, server.url)
        with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadTimeout)):
            await fetch(transport, server.url, read=0.05)
        assert len(server.requests) == 2


async def test_a_connection_is_not_kept_for_ever(
    transport: StreamTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module, "IDLE_SECONDS", 0.0)
    async with Server([sized(b"a")]) as server:
        await fetch(transport, server.url)
        await server.left.wait()


async def test_not_all_connections_are_kept(
    transport: StreamTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module, "MAX_IDLE", 1)
    gate = asyncio.Event()
    answers: list[Sequence[Step]] = [[gate, sized(b"a")]]
    async with Server(*answers * 2) as server:
        tasks = [asyncio.create_task(fetch(transport, server.url)) for _ in range(2)]
        while len(server.requests) < 2:
            await asyncio.wait(tasks, timeout=0.01)
        gate.set()
        await asyncio.gather(*tasks)
        await server.left.wait()


async def test_closing_the_transport_closes_what_is_open(transport: StreamTransport) -> None:
    async with Server([sized(b"a")]) as idle, Server([chunked(b"b")]) as busy:
        await fetch(transport, idle.url)
        task = asyncio.create_task(fetch(transport, busy.url))
        await busy.arrived.wait()
        await transport.aclose()
        await idle.left.wait()
        await busy.left.wait()
        with pytest.raises(httpx2.ReadError):
            await task


async def test_a_compressed_body_is_decoded_above(transport: StreamTransport) -> None:
    async with Server([sized(gzip.compress(b"hello"), b"Content-Encoding: gzip")]) as server:
        assert await fetch(transport, server.url) == b"hello"


async def test_tls_is_checked_and_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Server([sized(b"a")], [chunked(b"b")], tls=server_tls()) as server:
        stranger = StreamTransport()
        with pytest.raises(httpx2.ConnectError):
            await fetch(stranger, server.url)
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        friend = StreamTransport()
        assert await fetch(friend, server.url) == b"a"
        response = await open_response(friend, server.url)
        assert (server.connections, len(server.requests)) == (1, 2)
        await response.aclose()
        await server.left.wait()
        await friend.aclose()
