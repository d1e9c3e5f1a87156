"""The stock npm client as a Python object: a Node process is behind it, see `clients/stream.mjs`."""

import asyncio
import contextlib
import itertools
import json
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Final, Literal, Self

import msgspec
from msgspec import UNSET, UnsetType

from tests.processes import start_node, stop

ClientVersion = Literal["11.18", "11.25"]
CLIENT_VERSIONS: Final[tuple[ClientVersion, ...]] = ("11.18", "11.25")

# How long anything awaited here may take before the test fails.
WAIT_SECONDS: Final = 15.0


class Callback(msgspec.Struct, frozen=True):
    """One call of a callback of the client, as the Node program printed it."""

    at: float
    """Milliseconds since the Node process began."""
    event: str
    key: str | None = None
    data: Any = None
    state: str | None = None
    name: str | None = None
    message: str = ""
    code: str | int | None = None


class StockClientError(Exception):
    """A call ended in an error, told by the client.

    `code` is tRPC's name for it, or None if the error is the client's own, such as a closed connection.
    """

    def __init__(self, code: str | int | None, message: str, data: Mapping[str, Any] | None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.data = data

    @classmethod
    def of(cls, callback: Callback) -> Self:
        return cls(callback.code, callback.message, callback.data)


class Subscription:
    """The events of one `subscribe`: iterate over it for the data; a tracked event is `{"id", "data"}`.

    The iteration ends when the client says that the subscription is complete, and raises
    `StockClientError` if it ended in an error.
    """

    def __init__(self, client: "StockClient", key: str) -> None:
        self.callbacks: list[Callback] = []
        """Every callback so far, whether iterated over or not."""
        self._client = client
        self._key = key
        self._unread = asyncio.Queue[Callback | None]()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        while True:
            callback = await self._next()
            match callback.event:
                case "data":
                    return callback.data
                case "error":
                    raise StockClientError.of(callback)
                case "complete":
                    raise StopAsyncIteration
                case _:
                    continue

    async def started(self) -> None:
        """Wait for `started`; to be called before any data is read."""
        while (callback := await self._next()).event != "started":
            if callback.event == "error":
                raise StockClientError.of(callback)

    async def reached(self, state: str) -> None:
        """Wait for a state of the connection, such as `connecting`; what comes before it is passed over."""
        while (await self._next()).state != state:
            pass

    async def stop(self) -> None:
        """Unsubscribe. What was received before can still be read."""
        await self._client.send({"op": "stop", "key": self._key})

    def receive(self, callback: Callback) -> None:
        self.callbacks.append(callback)
        self._unread.put_nowait(callback)

    def fail(self) -> None:
        self._unread.put_nowait(None)

    async def _next(self) -> Callback:
        async with asyncio.timeout(WAIT_SECONDS):
            callback = await self._unread.get()
        if callback is None:
            raise RuntimeError("the client's process has ended")
        return callback


class StockClient:
    """`createTRPCClient` in a Node process of its own.

    It has one `wsLink`, or with link `sse` an `httpSubscriptionLink` beside an `httpLink`. `url` is
    that of the endpoint, with scheme `ws` or `http`. Inputs and outputs are what JSON can hold; a
    call without `input` passes `undefined`. `retry_delay` is the seconds between two attempts to
    connect, instead of the client's own, which grow from 0 to 2, 4 and so on.
    """

    def __init__(
        self,
        url: str,
        *,
        version: ClientVersion = "11.25",
        transformer: Literal["none", "superjson"] = "none",
        connection_params: Mapping[str, str] | None = None,
        link: Literal["ws", "sse"] = "ws",
        retry_delay: float | None = None,
    ) -> None:
        address = url.replace("http", "ws", 1) if link == "ws" else url
        self._arguments = ["--url", address, "--version", version]
        self._arguments += ["--transformer", transformer, "--link", link]
        if connection_params is not None:
            self._arguments += ["--params", json.dumps(connection_params)]
        if retry_delay is not None:
            self._arguments += ["--retry-delay", str(1000 * retry_delay)]
        self._keys = map(str, itertools.count(1))
        self._replies: dict[str, asyncio.Future[Callback]] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._connection = asyncio.Queue[Callback]()
        self._process: Process
        self._reader: asyncio.Task[None]
        self._complaints: asyncio.Task[bytes]

    async def __aenter__(self) -> Self:
        self._process = await start_node("clients/stream.mjs", *self._arguments)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._reader = asyncio.create_task(self._read(self._process.stdout))
        self._complaints = asyncio.create_task(self._process.stderr.read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The program may have ended by itself; its complaint is raised below.
        with contextlib.suppress(ConnectionError):
            await self.send({"op": "close"})
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._process.wait()
        finally:
            await stop(self._process)
            await self._reader
        if self._process.returncode:
            raise RuntimeError(f"the client failed:\n{(await self._complaints).decode()}") from error

    async def query(self, path: str, input: object = UNSET) -> Any:
        """Call a query and give its result.

        Raises:
            StockClientError: the call was answered with an error.
        """
        return await self._call("query", path, input)

    async def mutate(self, path: str, input: object = UNSET) -> Any:
        """The same for a mutation."""
        return await self._call("mutate", path, input)

    @contextlib.asynccontextmanager
    async def subscribe(
        self, path: str, input: object = UNSET, *, stop_after: int | UnsetType = UNSET
    ) -> AsyncGenerator[Subscription]:
        """Subscribe for the length of the block.

        After `stop_after` events the client unsubscribes within the callback, before it can read more.
        """
        key = next(self._keys)
        subscription = self._subscriptions[key] = Subscription(self, key)
        await self.send(
            {"op": "subscribe", "key": key, "path": path, "input": input, "stopAfter": stop_after}
        )
        try:
            yield subscription
        finally:
            with contextlib.suppress(ConnectionError):
                await subscription.stop()

    async def drop(self) -> None:
        """Cut the connection without a Close frame; the client then reconnects by itself."""
        await self.send({"op": "drop"})

    async def until(self, event: Literal["open", "close"]) -> Callback:
        """Wait for the connection's next `open` or `close`."""
        async with asyncio.timeout(WAIT_SECONDS):
            while (callback := await self._connection.get()).event != event:
                pass
        return callback

    async def send(self, command: Mapping[str, object]) -> None:
        """Write one command; a value that is UNSET is left out."""
        assert self._process.stdin is not None
        given = {name: value for name, value in command.items() if value is not UNSET}
        self._process.stdin.write(json.dumps(given).encode() + b"\n")
        await self._process.stdin.drain()

    async def _call(self, operation: str, path: str, input: object) -> Any:
        key = next(self._keys)
        reply = self._replies[key] = asyncio.get_running_loop().create_future()
        await self.send({"op": operation, "key": key, "path": path, "input": input})
        async with asyncio.timeout(WAIT_SECONDS):
            callback = await reply
        if callback.event == "error":
            raise StockClientError.of(callback)
        return callback.data

    async def _read(self, stdout: asyncio.StreamReader) -> None:
        decoder = msgspec.json.Decoder(Callback)
        async for line in stdout:
            self._dispatch(decoder.decode(line))
        for reply in self._replies.values():
            reply.set_exception(RuntimeError("the client's process has ended"))
        for subscription in self._subscriptions.values():
            subscription.fail()

    def _dispatch(self, callback: Callback) -> None:
        if callback.key is None:
            self._connection.put_nowait(callback)
        elif subscription := self._subscriptions.get(callback.key):
            subscription.receive(callback)
        elif not (reply := self._replies.pop(callback.key)).done():
            reply.set_result(callback)
