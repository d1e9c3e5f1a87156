"""The answer to one HTTP request, while it is under way."""

import asyncio
from collections.abc import Awaitable
from typing import Final

from starlette.types import Message, Send

from .meta import TEXT

EVENT_STREAM: Final = (b"content-type", b"text/event-stream")
UNAVAILABLE: Final = "The server is shutting down.\n"


class Answer:
    """Can be ended from outside, whatever its request is doing.

    Args:
        send: of the request. What the application sends has to pass through `Answer.send`.
    """

    def __init__(self, send: Send) -> None:
        self.endless: bool = False
        """Whether it is a stream of events, whose client comes back when it ends."""
        self._send = send
        self._task: asyncio.Task[None] | None = None
        self._started = False
        self._complete = False
        self._ended = False

    async def serve(self, serving: Awaitable[None]) -> None:
        """Answer, to the end or until `end`."""
        self._task = asyncio.current_task()
        try:
            await serving
        except asyncio.CancelledError:
            if not self._ended:
                raise
        if self._ended and self._task is not None:
            self._task.uncancel()
            await self._finish()

    async def send(self, message: Message) -> None:
        """Pass on what the application sends."""
        if message["type"] == "http.response.start":
            self._started = True
            self.endless = EVENT_STREAM in map(tuple, message.get("headers", ()))
        else:
            self._complete = not message.get("more_body", False)
        await self._send(message)

    def end(self) -> None:
        """End it where it is: a stream just stops, and what has not begun says that the server goes.

        An event stream gets no `return`, so that its client comes back for the rest.
        """
        if not self._ended and self._task is not None:
            self._ended = True
            self._task.cancel()

    async def _finish(self) -> None:
        if not self._started:
            headers = [(name.encode(), value.encode()) for name, value in (TEXT,)]
            await self._send({"type": "http.response.start", "status": 503, "headers": headers})
            await self._send({"type": "http.response.body", "body": UNAVAILABLE.encode()})
        elif not self._complete:
            await self._send({"type": "http.response.body", "body": b""})
