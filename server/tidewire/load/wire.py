"""One WebSocket as an asyncio protocol: the handshake, then frames."""

import asyncio
import contextlib
import socket
import ssl
import struct
import sys
import time
from typing import Final, Protocol

from websockets.frames import Opcode

from . import messages
from .frames import FrameError, FrameReader, close_frame, close_reason, pong_frame, text_frame
from .handshake import Handshake, HandshakeError
from .plan import Plan
from .target import host_of

NORMAL: Final = 1000
PROTOCOL_ERROR: Final = 1002
CLOSE_SECONDS: Final = 2.0
FLOOD: Final = 64 << 10
"""A read as large as this pauses its socket for a turn of the loop: uvloop would read 16 MiB of one before it
looks at others or at timers (measured), which is 130,000 events or half a second."""
# A socket that is closed with this option is reset, and its port is free at once: a storm of
# reconnections would else run out of ports, for each is held a minute by the side that closed first.
RESET: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


class Owner(Protocol):
    """Who is told what a wire brings."""

    def received(self, data: list[bytes], size: int, now: int) -> None:
        """Take the messages that a read of `size` bytes has completed, and its time in nanoseconds."""

    def lost(self, code: str, message: str) -> None:
        """Hear, once, that an open wire is one no more, unless it was closed or cut from here."""


class ConnectError(Exception):
    """There is no connection; `code` is what that is counted under."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Wire(asyncio.Protocol):
    """A connection of its owner's; made by `connect`."""

    def __init__(self, plan: Plan, owner: Owner) -> None:
        loop = asyncio.get_running_loop()
        self._owner = owner
        self._handshake: Handshake | None = Handshake(plan)
        self._frames = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._opened: asyncio.Future[None] = loop.create_future()
        self._is_ours = False
        self.gone: asyncio.Future[None] = loop.create_future()
        self.paused: bool = False
        """The peer does not read; nothing more should be sent."""

    @property
    def is_connected(self) -> bool:
        """Whether there has been somebody at the other end, WebSocket or not."""
        return self._transport is not None

    async def opened(self) -> None:
        """Wait for the end of the handshake."""
        await self._opened

    def send(self, *texts: bytes) -> None:
        """Send messages in one write."""
        self._write(b"".join(map(text_frame, texts)))

    def close(self) -> None:
        """Say goodbye; `gone` tells when the peer has answered, or has had its time to."""
        if not self._is_ours:
            self._is_ours = True
            self._write(close_frame(NORMAL))
            asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.cut)

    def cut(self) -> None:
        """Break the connection off without a word, as a lost network does."""
        self._is_ours = True
        if self._transport is None or self.gone.done():
            return
        raw = self._transport.get_extra_info("socket")
        if raw is not None:
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert self._handshake is not None
        # uvloop's are asyncio's in all but inheritance.
        self._transport = transport  # type: ignore[assignment]
        self._write(self._handshake.request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        if self._handshake is not None:
            rest = self._shake(self._handshake, data)
            if rest is None:
                return
            data = rest
        try:
            texts = self._frames.feed(data)
        except FrameError as error:
            self._fail("NOT_WEBSOCKET", f"it sent {error}", PROTOCOL_ERROR)
            return
        if len(data) >= FLOOD:
            self._rest()
        self._owner.received(texts, len(data), now)
        if self._frames.control:
            self._control()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.gone.done():
            self.gone.set_result(None)
        if not self._opened.done():
            said = "it closed the connection without an answer to the handshake"
            self._opened.set_exception(ConnectError("CONNECTION_LOST", said))
        elif self._handshake is None and not self._is_ours:
            self._is_ours = True
            self._owner.lost("CONNECTION_LOST", "it dropped the connection without a Close")

    def _shake(self, handshake: Handshake, data: bytes) -> bytes | None:
        if self._opened.done():
            return None
        try:
            rest = handshake.feed(data)
        except HandshakeError as error:
            self._opened.set_exception(ConnectError(error.code, str(error)))
            self.cut()
            return None
        if rest is not None:
            self._handshake = None
            self._opened.set_result(None)
        return rest

    def _control(self) -> None:
        for opcode, payload in self._frames.control:
            if opcode == Opcode.PING and not self.paused:
                self._write(pong_frame(payload))
            elif opcode == Opcode.CLOSE:
                self._fail("CLOSED", f"it closed the connection: {close_reason(payload)}", NORMAL)
        self._frames.control.clear()

    def _fail(self, code: str, message: str, answer: int) -> None:
        if not self._is_ours:
            self._is_ours = True
            self._write(close_frame(answer))
            self._owner.lost(code, message)
        if self._transport is not None:
            self._transport.close()

    def _rest(self) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


async def connect(plan: Plan, owner: Owner, tls: ssl.SSLContext | None) -> Wire:
    """Open a WebSocket to the first of the plan's addresses.

    Raises:
        ConnectError: there is none within `plan.connect_timeout`.
    """
    loop = asyncio.get_running_loop()
    host, port = plan.addresses[0]
    wire = Wire(plan, owner)
    name = host_of(plan.url) if tls else None
    try:
        async with asyncio.timeout(plan.connect_timeout):
            await loop.create_connection(lambda: wire, host, port, ssl=tls, server_hostname=name)
            await wire.opened()
    except TimeoutError:
        said = "it does not answer the handshake" if wire.is_connected else "it does not answer"
        wire.cut()
        raise ConnectError("CONNECT_TIMEOUT", f"{said} within {plan.connect_timeout:g} s") from None
    except ssl.SSLError as error:
        raise ConnectError("TLS_FAILED", f"TLS fails: {error.reason or error}") from error
    except ConnectionRefusedError as error:
        raise ConnectError("CONNECT_REFUSED", "nothing listens there (connection refused)") from error
    except OSError as error:
        said = f"it cannot be reached: {error.strerror or error}"
        raise ConnectError("CONNECT_FAILED", said) from error
    except asyncio.CancelledError:
        wire.cut()
        raise
    if plan.connection_params is not None:
        wire.send(messages.connection_params(plan.connection_params))
    return wire


def tls_of(plan: Plan) -> ssl.SSLContext | None:
    """Give what checks certificates, for a URL that asks for it."""
    return ssl.create_default_context() if plan.url.startswith("wss:") else None
