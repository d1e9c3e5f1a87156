"""One HTTP request to an ASGI application in this process, spoken message by message."""

import asyncio
import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Message

# How long anything awaited here may take before the test fails.
WAIT_SECONDS: Final = 10.0


class HTTPExchange:
    """The client's end of a request.

    Args:
        target: the path and query, percent-encoded.
        body: None if it will come by `feed`.
    """

    def __init__(
        self,
        app: ASGIApp,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = b"",
        **scope: Any,
    ) -> None:
        path, _, query = target.encode("latin-1").partition(b"?")
        given = {"host": "testserver", **(headers or {})}
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self._app = app
        self._scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": _decoded(path),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
            "client": ("127.0.0.1", 1234),
            "server": ("testserver", 80),
            **scope,
        }
        self._received = asyncio.Queue[Message]()
        self._sent = asyncio.Queue[Message]()
        if body is not None:
            self.feed(body, last=True)

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()
        if error is not None:
            self.task.cancel()
            await asyncio.wait({self.task})
        else:
            await asyncio.wait_for(self.task, WAIT_SECONDS)

    def feed(self, piece: bytes, *, last: bool = False) -> None:
        """Send a piece of the body."""
        self._received.put_nowait({"type": "http.request", "body": piece, "more_body": not last})

    def disconnect(self) -> None:
        """Go away."""
        self._received.put_nowait({"type": "http.disconnect"})

    async def start(self) -> int:
        """Wait for the head of the answer, and give its status."""
        message = await self._next()
        assert message["type"] == "http.response.start", message
        self.status = message["status"]
        self.headers = [(name.decode(), value.decode("latin-1")) for name, value in message["headers"]]
        return self.status

    async def piece(self) -> bytes | None:
        """Give the next piece of the answer, after its head; None at its end."""
        message = await self._next()
        assert message["type"] == "http.response.body", message
        more: bool = message.get("more_body", False)
        return message.get("body", b"") if more or message.get("body") else None

    async def until(self, wanted: bytes) -> bytes:
        """Read on until `wanted` has come, and give what was read."""
        read = b""
        while wanted not in read:
            piece = await self.piece()
            assert piece is not None, f"the answer ended before {wanted!r}: {read!r}"
            read += piece
        return read

    async def rest(self) -> bytes:
        """Give the answer to its end."""
        pieces: list[bytes] = []
        while True:
            message = await self._next()
            pieces.append(message.get("body", b""))
            if not message.get("more_body", False):
                return b"".join(pieces)

    async def ended(self) -> None:
        """Wait until the application has done with the request."""
        await asyncio.wait_for(asyncio.shield(self.task), WAIT_SECONDS)

    async def _run(self) -> None:
        await self._app(self._scope, self._received.get, self._sent.put)

    async def _next(self) -> Message:
        getting = asyncio.create_task(self._sent.get())
        await asyncio.wait({getting, self.task}, timeout=WAIT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if getting.done():
            return getting.result()
        getting.cancel()
        if self.task.done():
            # Raises what the application raised.
            self.task.result()
        raise AssertionError("the application sends nothing more")


async def ask(
    app: ASGIApp,
    method: str,
    target: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    **scope: Any,
) -> tuple[int, Any]:
    """Make a request, and give the status and the JSON of its answer; None if it has no body."""
    async with HTTPExchange(app, method, target, headers=headers, body=body, **scope) as exchange:
        status = await exchange.start()
        text = await exchange.rest()
        return status, json.loads(text) if text else None


def error_of(document: Mapping[str, Any]) -> tuple[str, str]:
    """The code and message of an error."""
    error = document["error"]
    return error["data"]["code"], error["message"]


def _decoded(path: bytes) -> str:
    return unquote_to_bytes(path).decode("utf-8", "replace")
