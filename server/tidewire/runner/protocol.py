"""uvicorn's WebSocket protocol, with what ASGI leaves out."""

import asyncio
import socket
from asyncio.transports import BaseTransport
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, ClassVar, Final, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import State

from ..flag import Flag
from ..transports.wire import DIRECT_EXTENSION
from .frames import text_frames
from .mailbox import Mailbox

# Linux takes megabytes for a peer that does not read, which are neither counted nor bounded by
# us, and then says nothing until a third of them is read. With this it takes as much as is in
# flight, and 64 KiB more; throughput is the same. 448 KiB of frames may wait beside it.
KERNEL_BYTES: Final = 64 * 1024

# Of many pings at a time only the last has to be answered; a peer that reads no answers gets no more.
PONG_BYTES: Final = 16 * 1024


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket that the application can write to and cut directly; see `DirectSocket`.

    It also can be closed without a code: clients then see 1005, as with the reference server.
    """

    handshake_timeout: ClassVar[float] = 10.0
    """Seconds that the application may take to accept a connection, or to deny it."""

    frames: list[bytes]
    pong_timer: asyncio.TimerHandle | None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # In place of a queue and an event of asyncio's, which take 4 KiB.
        self.queue: asyncio.Queue[Any] = cast("Any", Mailbox())
        self.writable: asyncio.Event = cast("Any", Flag(is_set=True))
        self._deliver: Callable[[str | bytes], None] | None = None
        self._lost = Flag()
        self._flushed_at = self.loop.time()
        self._unsent_before = 0

    def handle_connect(self, event: Request) -> None:
        """Have the application run, unless the handshake is refused, and tell it what is offered."""
        super().handle_connect(event)
        if not self.close_sent:
            cast("dict[str, Any]", self.scope)["extensions"][DIRECT_EXTENSION] = self

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """Let go of the application."""
        # The scope is this protocol's; without the circle it is freed at once.
        self.scope["extensions"] = {}
        super().on_task_complete(task)

    # ---------- what is offered

    @property
    def unsent(self) -> int:
        """Bytes that were written, and that the operating system has not taken."""
        return self.transport.get_write_buffer_size()

    def write(self, frames: Collection[bytes]) -> None:
        """Send text frames, all at once. Does nothing when the WebSocket is closed or closing."""
        if self.conn.state is not State.OPEN or self.transport.is_closing():
            return
        if self.conn.extensions:
            for frame in frames:
                self.conn.send_text(frame)
            self.transport.write(b"".join(self.conn.data_to_send()))
        else:
            self.transport.write(text_frames(frames))

    async def flushed(self) -> None:
        """Wait until nothing is unsent, or the connection is lost."""
        await self.writable.wait()

    def deliver(self, receive: Callable[[str | bytes], None]) -> None:
        """Call `receive` for frames from now on, unless some have come already: order comes first."""
        if self.queue.empty():
            self._deliver = receive
        # The handshake is over, and nobody asks for its headers any more: three KiB. The parser has them too.
        self.request.headers.clear()
        self.scope["headers"] = []
        del self.request, self.response
        self._handshake.cancel()

    def abort(self) -> None:
        """Cut the connection at once."""
        self.transport.abort()

    async def lost(self) -> None:
        """Wait until there is no connection any more."""
        await self._lost.wait()

    # ---------- callbacks of the transport

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin the handshake; its head has come."""
        super().connection_made(transport)
        # So that `writable` means that nothing is unsent.
        self.transport.set_write_buffer_limits(high=0)
        bound_kernel_buffer(self.transport)
        self._handshake = self.loop.call_later(self.handshake_timeout, self._end_handshake)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application, and whoever waits."""
        self._handshake.cancel()
        super().connection_lost(exc)
        self._deliver = None
        self._lost.set()

    def resume_writing(self) -> None:
        """Go on: the peer has taken everything."""
        self._flushed_at = self.loop.time()
        super().resume_writing()

    def _end_handshake(self) -> None:
        if not self.handshake_complete:
            self.transport.abort()

    # ---------- received frames

    def data_received(self, data: bytes) -> None:
        """Take bytes; answer a handshake that cannot be read, of which uvicorn never hears."""
        super().data_received(data)
        if not self.handshake_initiated and self.conn.handshake_exc is not None:
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def send_receive_event_to_app(self) -> None:
        """Hand a message over without a pause in reading: `receive` never waits."""
        if self._deliver is None or self.close_sent:
            super().send_receive_event_to_app()
            return
        data, self.frames = b"".join(self.frames), []
        if self.curr_msg_data_type == "bytes":
            self._deliver(data)
            return
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self.conn.send_close(1007)
            self.handle_parser_exception()
        else:
            self._deliver(text)

    def handle_ping(self) -> None:
        """Answer, unless answers pile up. What ends the WebSocket may be among what is to be sent."""
        if self.conn.state is not State.OPEN:
            super().handle_ping()
            return
        pongs = self.conn.data_to_send()
        if self.unsent + sum(map(len, pongs)) <= PONG_BYTES:
            self.transport.write(b"".join(pongs))
        elif self.unsent <= PONG_BYTES:
            self.transport.write(pongs[-1])

    # ---------- keep-alive

    def send_keepalive_ping(self) -> None:
        """Ask whether the peer is there."""
        super().send_keepalive_ping()
        self._unsent_before = self.unsent

    def keepalive_timeout(self) -> None:
        """Close, unless the ping is still behind data that the peer is taking."""
        assert self.ping_timeout is not None
        unsent, quiet = self.unsent, self.loop.time() - self._flushed_at
        if unsent < self._unsent_before or quiet < self.ping_timeout:
            self._unsent_before = unsent
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
            return
        super().keepalive_timeout()
        if unsent:
            self.transport.abort()


def bound_kernel_buffer(transport: asyncio.Transport) -> None:
    """Have the system take little for a peer that does not read: what it takes looks like progress."""
    connection = transport.get_extra_info("socket")
    # Not a TCP connection, or not an operating system that can.
    with suppress(AttributeError, OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, KERNEL_BYTES)
