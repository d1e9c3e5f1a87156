"""The smallest relay in Python: asyncio protocols that cut text out of the upstream's bytes and send it on.

No parser, router, client library, log or backpressure: the floor under every figure of a relay.

    OPENAI_BASE_URL=… python server.py
"""

import asyncio
import base64
import hashlib
import json
import os
import signal
from typing import Any, Final, cast
from urllib.parse import urlsplit

import uvloop

UPSTREAM: Final = urlsplit(os.environ["OPENAI_BASE_URL"])
HOST: Final = UPSTREAM.hostname or "127.0.0.1"
PORT: Final = UPSTREAM.port or 80
ACCEPT: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTENT: Final = b'"content":"'
DATA: Final = (
    b'{"id":%b,"result":{"type":"data","data":{"id":"e.%d","data":{"type":"text_delta","content":"%b"}},'
    b'"id":"e.%d"}}'
)


def frame(payload: bytes) -> bytes:
    """A whole text message; shorter than 64 KiB."""
    size = len(payload)
    return (bytes((0x81, size)) if size < 126 else b"\x81\x7e" + size.to_bytes(2, "big")) + payload


class Relay(asyncio.Protocol):
    """One client; its one call goes to an upstream connection of its own."""

    def __init__(self) -> None:
        self._buffer = b""
        self._open = False
        self._upstream: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open:
            self._shake_hands()
        elif self._buffer[0] & 0x0F == 1:
            self._call()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._upstream is not None:
            self._upstream.abort()

    def _shake_hands(self) -> None:
        head, end, self._buffer = self._buffer.partition(b"\r\n\r\n")
        if not end:
            self._buffer = head
            return
        self._open = True
        key = head.lower().index(b"sec-websocket-key: ") + 19
        digest = hashlib.sha1(head[key : key + 24] + ACCEPT).digest()
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % base64.b64encode(digest)
        )

    def _call(self) -> None:
        size, start = self._buffer[1] & 0x7F, 2
        if size == 126:
            size, start = int.from_bytes(self._buffer[2:4], "big"), 4
        if len(self._buffer) < start + 4 + size:
            return
        mask = self._buffer[start : start + 4] * (size // 4 + 1)
        masked = self._buffer[start + 4 : start + 4 + size]
        self._buffer = self._buffer[start + 4 + size :]
        call = json.loads(bytes(a ^ b for a, b in zip(masked, mask, strict=False)))
        self.transport.write(frame(b'{"id":%d,"result":{"type":"started"}}' % call["id"]))
        self._task = asyncio.create_task(self._ask(call))

    async def _ask(self, call: Any) -> None:
        loop = asyncio.get_running_loop()
        answer = Answer(self.transport, str(call["id"]).encode())
        self._upstream, _ = await loop.create_connection(lambda: answer, HOST, PORT)
        messages = [{"role": "user", "content": call["params"]["input"]["message"]}]
        body = json.dumps({"stream": True, "messages": messages}).encode()
        self._upstream.write(
            b"POST %b/chat/completions HTTP/1.1\r\nHost: upstream\r\nContent-Length: %d\r\n\r\n%b"
            % (UPSTREAM.path.encode(), len(body), body)
        )


class Answer(asyncio.Protocol):
    """What the upstream sends for one call."""

    def __init__(self, client: asyncio.WriteTransport, id: bytes) -> None:
        self._client = client
        self._id = id
        self._number = 0
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *events, self._rest = (self._rest + data).split(b"\n\n")
        frames = [frame(self._data(event)) for event in events if CONTENT in event]
        if events and events[-1].endswith(b"data: [DONE]"):
            frames.append(frame(b'{"id":%b,"result":{"type":"stopped"}}' % self._id))
        if frames:
            self._client.write(b"".join(frames))

    def _data(self, event: bytes) -> bytes:
        start = event.index(CONTENT) + len(CONTENT)
        self._number += 1
        return DATA % (self._id, self._number, event[start : event.index(b'"', start)], self._number)


async def main() -> None:
    """Serve until SIGTERM."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Relay, "127.0.0.1", 0, backlog=4096)
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await ended.wait()


if __name__ == "__main__":
    uvloop.run(main())
