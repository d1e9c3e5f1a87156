"""An accepted WebSocket: through plain ASGI, or past it where the server can do better."""

import asyncio
from collections.abc import Callable, Collection
from typing import Final, Protocol

from starlette.websockets import WebSocket

from ..outbox import Outbox

DIRECT_EXTENSION: Final = "tidewire.direct"
"""A server that has this ASGI extension gives a `DirectSocket` there."""

Receive = Callable[[str | bytes], None]
"""Takes a text or a binary frame. Never waits and never fails."""

# Servers say that they can take more, not that the peer takes something, and only once nearly all
# of what they keep is sent: 64 KiB with uvicorn and hypercorn, and one frame of any size.
PATIENCE_BYTES: Final = 64 * 1024

# The stuck time-out is waited for in parts that are counted, not timed: a peer is cut off soon
# after it, not twice as late, and a machine that was suspended, or had no time for either side,
# has used up one part.
WAITS: Final = 4


class StuckReaderError(Exception):
    """The peer takes nothing of what it is sent."""


class DirectSocket(Protocol):
    """What a server offers that ASGI does not know."""

    @property
    def unsent(self) -> int:
        """Bytes that were written, and that the operating system has not taken."""
        ...

    def write(self, frames: Collection[bytes]) -> None:
        """Send text frames, all at once. Does nothing when the WebSocket is closed or closing."""
        ...

    async def flushed(self) -> None:
        """Wait until nothing is unsent, or the connection is lost."""
        ...

    def deliver(self, receive: Receive) -> None:
        """Call `receive` for frames from now on. Those that have come already are still given by ASGI."""
        ...

    def abort(self) -> None:
        """Cut the connection at once."""
        ...

    async def lost(self) -> None:
        """Wait until there is no connection any more."""
        ...


class Wire:
    """A WebSocket of any ASGI server.

    Args:
        websocket: which has been accepted.
        stuck_timeout: seconds that a peer may take nothing.
    """

    def __init__(self, websocket: WebSocket, stuck_timeout: float) -> None:
        self._websocket = websocket
        self._stuck_timeout = stuck_timeout
        self._patience = stuck_timeout
        self._loop = asyncio.get_running_loop()
        self._reading: asyncio.Timeout | None = None

    async def read(self, receive: Receive) -> None:
        """Hand received frames over until the WebSocket is closed or cut.

        It is always being read: stock clients up to 11.22 loop for ever if the reply to their
        Close is late.
        """
        # A deadline, because nothing else ends a wait for ASGI's `receive` from outside.
        deadline = asyncio.timeout(None)
        try:
            async with deadline:
                self._reading = deadline
                await self._read(receive)
        except TimeoutError:
            if not deadline.expired():
                raise
        finally:
            self._reading = None

    def empty(self, outbox: Outbox, begin: Callable[[], None]) -> None:
        """Send what comes into an outbox, as far as that is possible without a task.

        Args:
            begin: is called when a task is needed that gives the outbox's batches to `send`.
        """
        begin()

    async def send(self, frames: list[bytes]) -> None:
        """Send frames, and empty the list. Returns when there can be more.

        Raises:
            StuckReaderError: the peer takes nothing.
            WebSocketDisconnect: it is gone.
        """
        deadline = asyncio.timeout(self._patience)
        try:
            async with deadline:
                for frame in frames:
                    await self._websocket.send_text(frame.decode())
                    self._patience = self._stuck_timeout * (1 + len(frame) / PATIENCE_BYTES)
                    deadline.reschedule(self._loop.time() + self._patience)
        except TimeoutError as error:
            raise StuckReaderError from error
        frames.clear()

    async def close(self, code: int | None) -> None:
        """Close the WebSocket.

        Args:
            code: None for none, where the server can do that, and 1000 elsewhere.

        Raises:
            StuckReaderError, WebSocketDisconnect: as `send`.
        """
        try:
            async with asyncio.timeout(self._patience):
                await self._close(code)
        except TimeoutError as error:
            raise StuckReaderError from error

    def abort(self) -> None:
        """Give the connection up: the application returns, and the server does what it can."""
        # Not twice: what has expired cannot be put off, and says so.
        if self._reading is not None and not self._reading.expired():
            self._reading.reschedule(self._loop.time())

    async def gone(self) -> None:
        """Wait until the connection is gone, as far as the server tells, once it is closing."""

    async def _read(self, receive: Receive) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            receive(message["bytes"] if text is None else text)

    async def _close(self, code: int | None) -> None:
        await self._websocket.close(1000 if code is None else code)


class DirectWire(Wire):
    """A WebSocket of a server that has the extension."""

    def __init__(self, websocket: WebSocket, socket: DirectSocket, stuck_timeout: float) -> None:
        super().__init__(websocket, stuck_timeout)
        self._socket = socket

    async def read(self, receive: Receive) -> None:
        """As `Wire`, without a queue in between."""
        self._socket.deliver(receive)
        await self._read(receive)

    def empty(self, outbox: Outbox, begin: Callable[[], None]) -> None:
        """As `Wire`; what the operating system does not take at once is left to `send`."""
        outbox.write_by(self._write, begin)

    async def send(self, frames: list[bytes]) -> None:
        """As `Wire`. Returns when the operating system has taken everything."""
        if frames:
            self._socket.write(frames)
            frames.clear()
        if self._socket.unsent:
            await self._flush()

    def abort(self) -> None:
        """Cut the connection at once, whatever waits to be sent."""
        self._socket.abort()

    async def gone(self) -> None:
        """Wait until the connection is lost, and see to it that it is."""
        try:
            async with asyncio.timeout(self._stuck_timeout):
                await self._socket.lost()
        except TimeoutError:
            # It does not answer the Close, or does not even take it.
            self._socket.abort()
            await self._socket.lost()

    def _write(self, frames: list[bytes]) -> bool:
        self._socket.write(frames)
        return not self._socket.unsent

    async def _flush(self) -> None:
        unsent, waits = self._socket.unsent, 0
        while True:
            try:
                async with asyncio.timeout(self._stuck_timeout / WAITS):
                    return await self._socket.flushed()
            except TimeoutError as error:
                waits += 1
                if self._socket.unsent < unsent:
                    unsent, waits = self._socket.unsent, 0
                elif waits >= WAITS:
                    raise StuckReaderError from error

    async def _close(self, code: int | None) -> None:
        await self._websocket.send({"type": "websocket.close", "code": code, "reason": ""})


def open_wire(websocket: WebSocket, stuck_timeout: float) -> Wire:
    """Choose the best that the server offers."""
    socket = (websocket.scope.get("extensions") or {}).get(DIRECT_EXTENSION)
    if socket is None:
        return Wire(websocket, stuck_timeout)
    return DirectWire(websocket, socket, stuck_timeout)
