"""An in-memory client, for tests of a router: the real protocol, without a socket.

    async with Client(app_router, context=make_context) as client:
        conversation = await client.mutate("conversations.create", {"title": "Tides"})
        async with client.subscribe("conversations.watch", {...}) as events:
            async for event in events: ...

Values are what a browser would get: parsed JSON, with camelCase keys.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, Unpack

from tidewire_protocol import ErrorCode

from .context import ConnectionInfo
from .dispatcher import Dispatcher, DispatcherOptions
from .router import Router
from .session import Session
from .tracking import Tracked


class CallError(Exception):
    """The server answered with an error.

    `code` is its tRPC code, `shape` the whole of what was sent.
    """

    def __init__(self, shape: Mapping[str, Any]) -> None:
        super().__init__(shape["message"])
        self.code: ErrorCode = shape["data"]["code"]
        self.shape = shape


class ConnectionClosedError(Exception):
    """The server closed the connection before it answered."""


class Client:
    """One connection to a router.

    Args:
        router: what is called.
        connection_params: what the client's `connectionParams` would give.
        headers: of the upgrade request, names in lower case.
        timeout: seconds to wait for an answer, or for the next event of a subscription.
        options: as for `Dispatcher`; the transformer must be plain JSON.
    """

    def __init__(
        self,
        router: Router,
        *,
        connection_params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        **options: Unpack[DispatcherOptions],
    ) -> None:
        self._dispatcher = Dispatcher(router, **options)
        self._params = connection_params
        self._timeout = timeout
        self._info = ConnectionInfo(transport="memory", headers=headers or {})
        self._replies: dict[int, asyncio.Queue[dict[str, Any] | None]] = {}
        self._last_id = 0
        self._refusal: CallError | None = None

    async def __aenter__(self) -> Self:
        """Connect."""
        self._session = Session(self._dispatcher, self._info, announces_params=self._params is not None)
        self._reading = asyncio.create_task(self._read())
        self._session.open()
        if self._params is not None:
            self._send({"method": "connectionParams", "data": dict(self._params)})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect, and wait until everything has ended."""
        await self._session.close()
        await self._reading
        await self._dispatcher.close(self._dispatcher.cleanup_timeout)

    async def query(self, path: str, input: Any = ...) -> Any:
        """Call a query; no input at all if none is given. Undefined comes as None.

        Raises:
            CallError: the server answered with an error.
            TimeoutError: it did not answer in time.
        """
        return await self._ask("query", path, input)

    async def mutate(self, path: str, input: Any = ...) -> Any:
        """Call a mutation, as `query`."""
        return await self._ask("mutation", path, input)

    @asynccontextmanager
    async def subscribe(
        self, path: str, input: Any = ..., *, last_event_id: str | None = None
    ) -> AsyncGenerator[AsyncIterator[Any]]:
        """Open a subscription, and stop it at the end of the block.

        Tracked events come as `Tracked`, others as they are. Iteration ends with the stream.

        Raises:
            CallError: the set-up or, while iterating, the stream failed.
            TimeoutError: the next event did not come in time.
        """
        request_id, replies = self._open("subscription", path, input, last_event_id)
        try:
            yield self._events(replies)
        finally:
            if self._replies.pop(request_id, None) is not None:
                self._send({"id": request_id, "method": "subscription.stop"})

    async def _ask(self, method: str, path: str, input: Any) -> Any:
        request_id, replies = self._open(method, path, input, None)
        try:
            frame = await self._next(replies)
        finally:
            self._replies.pop(request_id, None)
        return frame["result"].get("data")

    async def _events(self, replies: "asyncio.Queue[dict[str, Any] | None]") -> AsyncIterator[Any]:
        while True:
            result = (await self._next(replies))["result"]
            if result["type"] == "stopped":
                return
            if result["type"] == "data":
                data = result.get("data")
                yield Tracked(result["id"], data.get("data")) if "id" in result else data

    async def _next(self, replies: "asyncio.Queue[dict[str, Any] | None]") -> dict[str, Any]:
        async with asyncio.timeout(self._timeout):
            frame = await replies.get()
        if frame is None:
            raise self._refusal or ConnectionClosedError("The server closed the connection")
        if "error" in frame:
            raise CallError(frame["error"])
        return frame

    def _open(
        self, method: str, path: str, input: Any, last_event_id: str | None
    ) -> "tuple[int, asyncio.Queue[dict[str, Any] | None]]":
        self._last_id += 1
        params = {"path": path}
        if input is not ...:
            params["input"] = input
        if last_event_id is not None:
            params["lastEventId"] = last_event_id
        replies = self._replies[self._last_id] = asyncio.Queue()
        if self._reading.done():
            replies.put_nowait(None)
        else:
            self._send({"id": self._last_id, "method": method, "params": params})
        return self._last_id, replies

    def _send(self, message: dict[str, Any]) -> None:
        self._session.receive(json.dumps(message))

    async def _read(self) -> None:
        async for frames in self._session.outbox.batches():
            for frame in map(json.loads, frames):
                if frame["id"] is None and "error" in frame:
                    self._refusal = CallError(frame["error"])
                elif (replies := self._replies.get(frame["id"])) is not None:
                    replies.put_nowait(frame)
        for replies in self._replies.values():
            replies.put_nowait(None)
