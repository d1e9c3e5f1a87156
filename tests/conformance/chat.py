"""A chat server's process with an upstream behind it, and what tests do with both."""

import asyncio
import itertools
import json
import sqlite3
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import websockets

from tests.conformance.client import WAIT_SECONDS
from tests.processes import Server, serve
from tests.upstream import Request, Script, Scripted, Upstream, text_answer

Event = Mapping[str, Any]
"""A MessageEvent as JSON."""

API_KEY: Final = "sk-a-very-secret-key-of-the-server"
TOOLS_APP: Final = "tests.conformance.chat_tools:app"


class Playbook:
    """What the upstream answers: told apart by the last thing the user said, and echoed otherwise."""

    def __init__(self) -> None:
        self._scripts: defaultdict[str, deque[Scripted]] = defaultdict(deque)
        self._requests: defaultdict[str, list[Request]] = defaultdict(list)
        self._arrival = asyncio.Event()

    def script(self, message: str, *scripts: Scripted) -> None:
        """Queue answers to a message: one for each request that has it as its last one of the user's."""
        self._scripts[message].extend(scripts)

    def requests(self, message: str) -> list[Request]:
        """The requests so far that had this message as the user's last."""
        return self._requests[message]

    async def asked(self, message: str, number: int = 1) -> Request:
        """Wait for the request with this number about a message, counted from 1."""
        async with asyncio.timeout(WAIT_SECONDS):
            while len(self._requests[message]) < number:
                self._arrival.clear()
                await self._arrival.wait()
        return self._requests[message][number - 1]

    async def held(self, message: str, number: int = 1) -> Request:
        """Wait until the answer to such a request has come to a gate or a stall."""
        request = await self.asked(message, number)
        async with asyncio.timeout(WAIT_SECONDS):
            await request.waiting.wait()
        return request

    def __call__(self, request: Request) -> Script:
        said = [each["content"] for each in request.json["messages"] if each["role"] == "user"]
        message = said[-1]
        self._requests[message].append(request)
        self._arrival.set()
        scripts = self._scripts[message]
        scripted = scripts.popleft() if scripts else text_answer(f"You said {message}")
        return scripted if isinstance(scripted, Script) else scripted(request)


@dataclass
class Chat:
    """A running chat server."""

    server: Server
    upstream: Upstream
    playbook: Playbook
    database: Path

    @property
    def url(self) -> str:
        """Of the endpoint."""
        return f"{self.server.url}/api/trpc"

    def rows(self, conversation_id: str) -> list[dict[str, Any]]:
        """A conversation's messages, as they are in the database's file."""
        return stored(self.database, conversation_id)


@asynccontextmanager
async def running_chat(folder: Path, target: str | None = None, **env: str) -> AsyncGenerator[Chat]:
    """Run a chat server whose database is in `folder`, with an upstream of its own.

    `target` is another application than the chat server; `env` more settings. Whatever the server
    printed until its end must not hold its key.
    """
    playbook = Playbook()
    database = folder / "chat.db"
    async with Upstream() as upstream:
        upstream.always(playbook)
        settings = {
            "OPENAI_API_KEY": API_KEY,
            "OPENAI_BASE_URL": upstream.base_url,
            "DATABASE_URL": f"sqlite:///{database}",
            "TIDEWIRE_MAX_RETRIES": "0",
            "TIDEWIRE_TRANSFORMER": "none",
            **env,
        }
        async with serve(*[target] if target else [], env=settings, cwd=folder) as server:
            yield Chat(server, upstream, playbook, database)
        assert API_KEY not in "\n".join(server.log)


def stored(database: Path, conversation_id: str) -> list[dict[str, Any]]:
    """A conversation's messages in a database's file, oldest first."""
    connection = sqlite3.connect(database)
    connection.row_factory = sqlite3.Row
    query = "SELECT * FROM messages WHERE conversation_id = ? ORDER BY seq"
    try:
        return [dict(row) for row in connection.execute(query, [conversation_id])]
    finally:
        connection.close()


def text_of(events: Iterable[Event]) -> str:
    """The answer that these events add up to."""
    return "".join(event["content"] for event in events if event["type"] == "text_delta")


def types_of(events: Iterable[Event]) -> list[str]:
    """What these events are, in order."""
    return [event["type"] for event in events]


def of_type(events: Iterable[Event], kind: str) -> list[Event]:
    """The events of one type."""
    return [event for event in events if event["type"] == kind]


async def read(events: AsyncIterator[Any]) -> list[Event]:
    """The events of a subscription, to its end."""
    return [event["data"] async for event in events]


async def read_until(events: AsyncIterator[Any], kind: str) -> list[Event]:
    """The events of a subscription up to the first of one type, that included."""
    found: list[Event] = []
    while not found or found[-1]["type"] != kind:
        found.append((await anext(events))["data"])
    return found


class RawSocket:
    """A WebSocket without a client's cleverness: frames as they are, sorted by the call's id."""

    def __init__(self, url: str, *, headers: Mapping[str, str] | None = None) -> None:
        self._url = url.replace("http", "ws", 1)
        self._headers = headers
        self._ids = itertools.count(1)
        self._frames: defaultdict[int | None, asyncio.Queue[Any]] = defaultdict(asyncio.Queue)
        self._socket: websockets.ClientConnection
        self._reading: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._socket = await websockets.connect(
            self._url, additional_headers=self._headers, open_timeout=WAIT_SECONDS
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._socket.close()
        await self._reading

    async def send(self, frame: str | bytes) -> None:
        """Send one frame."""
        await self._socket.send(frame)

    async def call(self, method: str, path: str, input: Any, *, last_event_id: str | None = None) -> int:
        """Send a request; gives its id."""
        number = next(self._ids)
        params = {"path": path, "input": input}
        if last_event_id is not None:
            params["lastEventId"] = last_event_id
        await self.send(json.dumps({"id": number, "method": method, "params": params}))
        return number

    async def frame(self, call: int | None) -> Any:
        """The next frame that answers a call; None is for frames without an id."""
        async with asyncio.timeout(WAIT_SECONDS):
            return await self._frames[call].get()

    async def ask(self, method: str, path: str, input: Any) -> Any:
        """Call a query or mutation; gives the whole frame."""
        return await self.frame(await self.call(method, path, input))

    async def new_conversation(self) -> str:
        """Create a conversation."""
        return str((await self.ask("mutation", "conversations.create", {}))["result"]["data"]["id"])

    async def events(self, call: int) -> AsyncGenerator[Any]:
        """The tracked events of a subscription, as `{"id", "data"}`, until it ends."""
        while (result := (await self.frame(call))["result"])["type"] != "stopped":
            if result["type"] == "data":
                yield result["data"]

    async def drop(self) -> None:
        """Cut the connection without a Close frame."""
        self._socket.transport.abort()
        await self._socket.wait_closed()

    async def _read(self) -> None:
        with suppress(websockets.ConnectionClosed):
            async for text in self._socket:
                frame = json.loads(text)
                self._frames[frame["id"]].put_nowait(frame)
