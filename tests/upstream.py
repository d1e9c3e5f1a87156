"""A fake OpenAI-compatible server that sends exactly the bytes a test asks for.

    async with Upstream() as upstream:
        upstream.script(text_answer("Hello world"))
        ... a request to upstream.base_url + "/chat/completions" ...
        assert upstream.requests[0].json["model"] == "some-model"

Every request for a completion takes the next `Script` of the queue, or the one of `always()`. A
script is a status, headers and steps: `Send` bytes, `Wait` for an event of the test's, `Pause`, `Stall`
until the client goes, `Cut` the connection. `hold`, `pace`, `cut_at` and `split_into` make variants of a
script.

    gate = asyncio.Event()
    upstream.script(text_answer("one two three").hold(2, gate))     # sends the role and "one ", then waits

`Request.waiting` is set once the script holds or stalls; `Request.hung_up`, at once when the client
goes away before its answer has been sent in full.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final, Self

EVENT_STREAM: Final = {"content-type": "text/event-stream; charset=utf-8"}
JSON: Final = {"content-type": "application/json"}
BACKLOG: Final = 2048
USAGE: Final = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


@dataclass(frozen=True)
class Send:
    """Send bytes of the body."""

    data: bytes


@dataclass(frozen=True)
class Wait:
    """Send nothing until the test sets `gate`."""

    gate: asyncio.Event


@dataclass(frozen=True)
class Pause:
    """Send nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Stall:
    """Keep the connection open and silent until the client hangs up."""


@dataclass(frozen=True)
class Cut:
    """Close the connection without ending the body."""


Step = Send | Wait | Pause | Stall | Cut


@dataclass(frozen=True)
class Script:
    """One answer. The body goes out chunked, one HTTP chunk for each `Send`.

    The head goes out with the first `Send`, so a script that begins with another step holds it back;
    an empty `Send` sends the head alone.
    """

    steps: Sequence[Step]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: EVENT_STREAM)
    piece_size: int | None = None
    """Bytes in an HTTP chunk, instead of what the `Send`s say."""

    @property
    def body(self) -> bytes:
        """All bytes of the body."""
        return b"".join(step.data for step in self.steps if isinstance(step, Send))

    def hold(self, position: int, gate: asyncio.Event) -> Self:
        """Wait for `gate` before the step at `position`."""
        return replace(self, steps=[*self.steps[:position], Wait(gate), *self.steps[position:]])

    def pace(self, seconds: float) -> Self:
        """Pause before every step."""
        return replace(self, steps=[each for step in self.steps for each in (Pause(seconds), step)])

    def cut_at(self, length: int) -> Self:
        """Cut the connection after `length` bytes of the body."""
        return replace(self, steps=[Send(self.body[:length]), Cut()])

    def split_into(self, size: int) -> Self:
        """Send the same body in HTTP chunks of `size` bytes."""
        return replace(self, piece_size=size)


@dataclass(eq=False)
class Request:
    """A request as it came, and what became of it."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    """The script has come to its first `Wait` or `Stall`; all before it has been sent."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    """The whole answer was sent, or cut where its script says so."""
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    """The client closed the connection while its answer was in progress."""
    hung_up_at: float | None = None
    """`loop.time()` of that, in seconds."""

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


Scripted = Script | Callable[[Request], Script]


def event(data: object, name: str | None = None) -> Send:
    """An event as OpenAI frames it; `data` is sent as JSON."""
    prefix = f"event: {name}\n" if name else ""
    return Send(f"{prefix}data: {json.dumps(data, separators=(',', ':'), ensure_ascii=False)}\n\n".encode())


def chunk(delta: Mapping[str, Any], finish_reason: str | None = None, **fields: Any) -> Send:
    """A chunk with one choice."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return event({**_CHUNK, "choices": [choice], "usage": None, **fields})


def usage_chunk(usage: Mapping[str, Any] = USAGE) -> Send:
    """The chunk that comes after the last choice if `include_usage` was asked for."""
    return event({**_CHUNK, "choices": [], "usage": usage})


_CHUNK: Final = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1750000000,
    "model": "fake-model",
    "service_tier": "default",
    "system_fingerprint": "fp_1",
}
ROLE: Final = chunk({"role": "assistant", "content": "", "refusal": None})
DONE: Final = Send(b"data: [DONE]\n\n")


def stream(*steps: Step) -> Script:
    """An event stream made of any steps."""
    return Script(steps)


def text_answer(text: str, finish_reason: str = "stop") -> Script:
    """The role, one chunk for each word (with the blank after it), the finish reason, usage, `[DONE]`."""
    words = text.split(" ")
    pieces = [word + " " for word in words[:-1]] + words[-1:]
    chunks = [chunk({"content": piece}) for piece in pieces]
    return stream(ROLE, *chunks, chunk({}, finish_reason), usage_chunk(), DONE)


def tool_answer(calls: Iterable[tuple[str, str, str]]) -> Script:
    """Calls as (id, name, arguments): for each its beginning and two pieces of arguments."""
    steps: list[Step] = [chunk({"role": "assistant", "content": None})]
    for index, (call_id, name, arguments) in enumerate(calls):
        begin = {"id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
        steps.append(chunk({"tool_calls": [{"index": index, **begin}]}))
        middle = len(arguments) // 2
        steps += [
            chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
            for piece in (arguments[:middle], arguments[middle:])
        ]
    return stream(*steps, chunk({}, "tool_calls"), usage_chunk(), DONE)


def json_answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Script:
    """One JSON object instead of a stream."""
    return Script([Send(json.dumps(body).encode())], status, {**JSON, **(headers or {})})


def failure(
    status: int,
    message: str = "It failed.",
    *,
    type: str = "invalid_request_error",
    code: str | int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Script:
    """An error as OpenAI answers it."""
    error = {"message": message, "type": type, "param": None, "code": code}
    return json_answer({"error": error}, status, headers)


def html_answer(status: int = 200) -> Script:
    """What a proxy or a wrong address answers."""
    body = b"<!DOCTYPE html>\n<html><body><h1>Welcome</h1></body></html>\n"
    return Script([Send(body)], status, {"content-type": "text/html; charset=utf-8"})


class Upstream:
    """The server, on a port of its own on 127.0.0.1, for as long as the `async with` block runs."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        """All requests but those for the list of models, in the order in which they came."""
        self.model_requests: list[Request] = []
        self.models: Scripted = json_answer(
            {"object": "list", "data": [{"id": "fake-model", "object": "model"}]}
        )
        """What GET /v1/models answers."""
        self.connections = 0
        """How many connections were ever made."""
        self._queue: deque[Scripted] = deque()
        self._always: Scripted = failure(500, "No script is left.", headers={"x-should-retry": "false"})
        self._arrival = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def base_url(self) -> str:
        """The address to configure, e.g. http://127.0.0.1:49152/v1."""
        assert self._server is not None, "The upstream runs inside `async with` only."
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    def script(self, *scripts: Scripted) -> None:
        """Queue answers, one for each of the next requests."""
        self._queue.extend(scripts)

    def always(self, script: Scripted) -> None:
        """Answer every request for which the queue holds nothing."""
        self._always = script

    async def arrived(self, number: int = 1) -> Request:
        """Wait for the request with this number, counted from 1."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: len(self.requests) >= number)
        return self.requests[number - 1]

    async def __aenter__(self) -> Self:
        # More than the usual hundred may connect at once; those left out would try again after seconds.
        self._server = await asyncio.get_running_loop().create_server(
            self._connect, "127.0.0.1", 0, backlog=BACKLOG
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _connect(self) -> asyncio.StreamReaderProtocol:
        self.connections += 1
        reader = _Reader()
        return asyncio.StreamReaderProtocol(reader, lambda _, writer: self._spawn(reader, writer))

    def _spawn(self, reader: "_Reader", writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: "_Reader", writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._answer(await _read_request(reader), reader, writer):
                    pass
        except asyncio.CancelledError:
            # Closing would wait for a client that does not read.
            writer.transport.abort()
            raise
        finally:
            writer.close()

    async def _answer(self, request: Request, reader: "_Reader", writer: asyncio.StreamWriter) -> bool:
        script = await self._next_script(request)
        play = asyncio.create_task(_play(script, request, writer))
        gone = asyncio.create_task(reader.gone.wait())
        try:
            await asyncio.wait({play, gone}, return_when=asyncio.FIRST_COMPLETED)
            # Whoever closes while something is being sent makes that fail, at the same moment.
            if not play.done() or isinstance(play.exception(), ConnectionError):
                request.hung_up_at = asyncio.get_running_loop().time()
                request.hung_up.set()
                return False
            whole = await play
            request.answered.set()
            return whole
        finally:
            play.cancel()
            gone.cancel()

    async def _next_script(self, request: Request) -> Script:
        if request.path == "/v1/models":
            self.model_requests.append(request)
            return _resolve(self.models, request)
        async with self._arrival:
            self.requests.append(request)
            self._arrival.notify_all()
        if request.path != "/v1/chat/completions":
            return failure(404, f"Unknown path {request.path}.")
        return _resolve(self._queue.popleft() if self._queue else self._always, request)


class _Reader(asyncio.StreamReader):
    """A stream that tells when the peer has gone, without being read."""

    def __init__(self) -> None:
        super().__init__()
        self.gone = asyncio.Event()

    def feed_eof(self) -> None:
        super().feed_eof()
        self.gone.set()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self.gone.set()


def _resolve(scripted: Scripted, request: Request) -> Script:
    return scripted if isinstance(scripted, Script) else scripted(request)


async def _read_request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Request(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))


async def _play(script: Script, request: Request, writer: asyncio.StreamWriter) -> bool:
    """Send an answer; False says that the connection must be closed."""
    headers = {"x-request-id": "req_1", "transfer-encoding": "chunked", **script.headers}
    lines = [f"{name}: {value}" for name, value in headers.items()]
    status = f"HTTP/1.1 {script.status} {HTTPStatus(script.status).phrase}"
    head = "\r\n".join([status, *lines, "", ""]).encode()
    async for data in _pieces(script, request):
        if data is None:
            return False
        writer.write(head + (b"%x\r\n%b\r\n" % (len(data), data) if data else b""))
        head = b""
        await writer.drain()
    writer.write(head + b"0\r\n\r\n")
    await writer.drain()
    return True


async def _pieces(script: Script, request: Request) -> AsyncIterator[bytes | None]:
    """The pieces of the body; None where the connection is to be cut."""
    for step in script.steps:
        match step:
            case Send(data):
                size = script.piece_size or len(data) or 1
                for start in range(0, len(data) or 1, size):
                    yield data[start : start + size]
            case Wait(gate):
                request.waiting.set()
                await gate.wait()
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Stall():
                request.waiting.set()
                await asyncio.get_running_loop().create_future()
            case Cut():
                yield None
