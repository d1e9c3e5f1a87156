"""One connection in memory, spoken to in frames: what a client puts on the wire, and gets."""

import asyncio
import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self, Unpack

from tidewire import ConnectionInfo, Router
from tidewire.dispatcher import Dispatcher, DispatcherOptions
from tidewire.outbox import OUTBOX_BYTES as OUTBOX_BYTES
from tidewire.session import Session
from tidewire_protocol import CallKind, RequestId

# How long anything awaited here may take before the test fails.
WAIT_SECONDS: Final = 10.0


class Peer:
    """The client's end of a session.

    Args:
        router: what is served.
        announces_params: whether its first message will hold connection params.
        reads: whether frames are taken out of the outbox; else they pile up there until `read`.
        options: as for `Dispatcher`.
    """

    def __init__(
        self,
        router: Router | Dispatcher,
        *,
        announces_params: bool = False,
        reads: bool = True,
        **options: Unpack[DispatcherOptions],
    ) -> None:
        self.dispatcher = router if isinstance(router, Dispatcher) else Dispatcher(router, **options)
        self.raw: list[bytes] = []
        """Every frame so far."""
        self._announces_params = announces_params
        self._reads = reads
        self._unread: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        info = ConnectionInfo(transport="memory", client="the peer")
        self.session = Session(self.dispatcher, info, announces_params=self._announces_params)
        if self._reads:
            self.read()
        self.session.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()
        if self._reading is not None:
            await self._reading
        await self.dispatcher.close(WAIT_SECONDS)

    def read(self) -> None:
        """Begin to take frames out of the outbox."""
        self._reading = asyncio.create_task(self._read())

    def send(self, message: Mapping[str, Any] | list[dict[str, Any]] | str | bytes) -> None:
        """Send one frame."""
        self.session.receive(message if isinstance(message, (str, bytes)) else json.dumps(message))

    def call(self, kind: CallKind, path: str, input: Any = ..., *, id: RequestId = 1) -> None:
        """Ask for a call."""
        self.send(request(kind, path, input, id=id))

    def stop(self, id: RequestId = 1) -> None:
        """Stop a subscription."""
        self.send({"id": id, "method": "subscription.stop"})

    async def frame(self) -> Any:
        """Give the next frame: parsed, PONG as it is, None when the server closes."""
        async with asyncio.timeout(WAIT_SECONDS):
            frame = await self._unread.get()
        if frame is None or frame == b"PONG":
            return frame and frame.decode()
        return json.loads(frame)

    async def frames(self, count: int) -> list[Any]:
        """Give the next frames."""
        return [await self.frame() for _ in range(count)]

    async def all_frames(self) -> list[Any]:
        """Give what has been sent until now: whatever comes before the PONG to a PING."""
        self.send("PING")
        frames = []
        while (frame := await self.frame()) != "PONG":
            frames.append(frame)
        return frames

    async def _read(self) -> None:
        async for batch in self.session.outbox.batches():
            self.raw += batch
            for frame in batch:
                self._unread.put_nowait(frame)
        self._unread.put_nowait(None)


def request(kind: CallKind, path: str, input: Any = ..., *, id: RequestId = 1) -> dict[str, Any]:
    """Word a request as the stock client does."""
    params = {"path": path} if input is ... else {"path": path, "input": input}
    return {"id": id, "method": kind, "params": params}


def data(value: Any, *, id: RequestId = 1) -> dict[str, Any]:
    """The frame of a result, or of an event without an id."""
    return {"id": id, "result": {"type": "data", "data": value}}


def started(id: RequestId = 1) -> dict[str, Any]:
    return {"id": id, "result": {"type": "started"}}


def stopped(id: RequestId = 1) -> dict[str, Any]:
    return {"id": id, "result": {"type": "stopped"}}


def error_of(frame: Mapping[str, Any]) -> tuple[RequestId | None, str, str]:
    """The id, code and message of an error frame."""
    return frame["id"], frame["error"]["data"]["code"], frame["error"]["message"]
