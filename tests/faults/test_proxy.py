"""The proxy breaks what it is told to, and nothing else."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.faults.proxy import BUFFER_BYTES, WAIT_SECONDS, Proxy, after, after_bytes


class Echo:
    """A server that sends back what it gets."""

    def __init__(self) -> None:
        self.url = ""
        self.held = asyncio.Event()
        """Set once a client does not take what it is sent."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                if writer.transport.get_write_buffer_size():
                    self.held.set()
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    echo.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield echo
    server.close()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[Proxy]:
    async with Proxy(echo.url) as proxy:
        yield proxy


class Client:
    """One connection to the proxy."""

    async def open(self, proxy: Proxy) -> "Client":
        port = int(proxy.url.rpartition(":")[2])
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        return self

    async def echoed(self, data: bytes) -> bytes:
        self._writer.write(data)
        async with asyncio.timeout(WAIT_SECONDS):
            return await self._reader.readexactly(len(data))

    async def some(self) -> bytes:
        async with asyncio.timeout(WAIT_SECONDS):
            return await self._reader.read(1 << 20)

    async def rest(self, data: bytes = b"") -> bytes:
        self._writer.write(data)
        async with asyncio.timeout(WAIT_SECONDS):
            return await self._reader.read()

    @property
    def has_received(self) -> bool:
        return bool(self._reader._buffer)  # type: ignore[attr-defined]  # there is no way to peek

    def flood(self) -> None:
        self._writer.write(b"x" * (64 << 20))

    def close(self) -> None:
        self._writer.transport.abort()


@pytest.fixture
async def client(proxy: Proxy) -> AsyncIterator[Client]:
    client = await Client().open(proxy)
    yield client
    client.close()


async def test_it_forwards_both_ways_and_counts(proxy: Proxy, client: Client) -> None:
    assert await client.echoed(b"hello") == b"hello"
    assert (proxy.connections, proxy.open_connections, proxy.cuts) == (1, 1, 0)
    client.close()
    await proxy.idle()
    assert (proxy.connections, proxy.open_connections) == (1, 0)


async def test_a_cut_ends_every_connection(proxy: Proxy, client: Client) -> None:
    assert await client.echoed(b"hello") == b"hello"
    proxy.cut()
    assert await client.rest() == b""
    await proxy.idle()


async def test_a_reset_is_seen_as_one(proxy: Proxy, client: Client) -> None:
    assert await client.echoed(b"hello") == b"hello"
    proxy.cut(reset=True)
    with pytest.raises(ConnectionResetError):
        await client.rest()


async def test_a_rule_cuts_after_exactly_what_it_lets_through(proxy: Proxy, client: Client) -> None:
    proxy.cut_when(after_bytes(4))
    assert await client.rest(b"abcdef") == b"abcd"
    assert proxy.cuts == 1


async def test_a_rule_finds_its_text_across_pieces(proxy: Proxy, client: Client) -> None:
    proxy.cut_when(after(b"end", times=2))
    assert await client.echoed(b"end e") == b"end e"
    assert await client.rest(b"nd more") == b"nd"


async def test_a_rule_ends_with_the_last_of_its_cuts(proxy: Proxy) -> None:
    proxy.cut_when(after_bytes(1), times=2)
    clients = [await Client().open(proxy) for _ in range(3)]
    assert [await client.rest(b"ab") for client in clients[:2]] == [b"a", b"a"]
    assert await clients[2].echoed(b"ab") == b"ab"
    for client in clients:
        client.close()


async def test_a_stalled_proxy_takes_nothing_until_it_resumes(
    proxy: Proxy, client: Client, echo: Echo
) -> None:
    proxy.stall()
    client.flood()
    async with asyncio.timeout(WAIT_SECONDS):
        await echo.held.wait()
    assert not client.has_received
    proxy.resume()
    assert await client.echoed(b"x") == b"x"


async def test_a_sip_is_so_many_pieces_of_what_is_stalled(proxy: Proxy, client: Client, echo: Echo) -> None:
    proxy.stall()
    client.flood()
    async with asyncio.timeout(WAIT_SECONDS):
        await echo.held.wait()
    for _ in range(3):
        proxy.sip()
        assert 0 < len(await client.some()) <= BUFFER_BYTES
    assert not client.has_received


async def test_what_is_swallowed_never_arrives(proxy: Proxy, client: Client) -> None:
    proxy.swallow()
    lost = asyncio.create_task(client.rest(b"hello"))
    await proxy.swallowed()
    assert proxy.swallowed_bytes == 5
    proxy.resume()
    proxy.cut()
    assert await lost == b""
    second = await Client().open(proxy)
    assert await second.echoed(b"hello") == b"hello"
    second.close()


async def test_what_is_forbidden_ends_the_connection_that_sends_it(proxy: Proxy, client: Client) -> None:
    proxy.forbid(b"down")
    assert await client.echoed(b"hello") == b"hello"
    assert await client.rest(b"put it down") == b""
    second = await Client().open(proxy)
    assert await second.echoed(b"hello") == b"hello"
    proxy.forbid(None)
    assert await second.echoed(b"put it down") == b"put it down"
    second.close()


async def test_refused_connections_are_accepted_again_on_the_same_port(proxy: Proxy, client: Client) -> None:
    assert await client.echoed(b"hello") == b"hello"
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await Client().open(proxy)
    assert await client.echoed(b"still here") == b"still here"
    url = proxy.url
    await proxy.accept()
    assert proxy.url == url
    second = await Client().open(proxy)
    assert await second.echoed(b"hello") == b"hello"
    await proxy.connected(2)
    second.close()


async def test_a_server_that_is_not_there_ends_the_connection(echo: Echo) -> None:
    async with Proxy("http://127.0.0.1:1") as proxy:
        client = await Client().open(proxy)
        assert await client.rest() == b""
        client.close()
