"""A router as something to mount in Starlette or FastAPI."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Unpack
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from ..countdown import DEFAULT_GRACE, Stage
from ..dispatcher import Dispatcher, DispatcherOptions
from ..drain import DEFAULT_SPREAD, Drain, Work
from ..errors import logger
from ..origins import is_allowed_origin
from ..router import Router
from ..session import Session
from ..shutdown import drained_at_shutdown
from .answer import UNAVAILABLE, Answer
from .event_stream import SSEOptions
from .http import NO_SSE_OPTIONS, HTTPHandler
from .meta import ResponseHook
from .websocket import serve_websocket
from .wire import DIRECT_EXTENSION

_REFUSAL = PlainTextResponse("This origin is not allowed.\n", status_code=403)
_CLOSING = PlainTextResponse(UNAVAILABLE, status_code=503)


class EndpointOptions(DispatcherOptions, total=False):
    """The keyword arguments of `Endpoint`, for what passes them on."""

    allowed_origins: Collection[str]
    shutdown_grace: float
    shutdown_spread: float
    shutdown_work: Work | None
    allow_batching: bool
    allow_method_override: bool
    max_upload_bytes: int
    response_meta: ResponseHook | None
    sse: SSEOptions
    jsonl_ping_interval: float | None


class Endpoint:
    """Serves a router; an ASGI application to `mount`, or a source of routes.

        endpoint = Endpoint(app_router, context=make_context)
        Starlette(routes=endpoint.routes("/api/trpc"), lifespan=endpoint.lifespan)
        fastapi_app.router.routes.extend(endpoint.routes("/api/trpc"))

    Args:
        router: what is served.
        allowed_origins: pages of other hosts that may connect, as `https://example.com`, or
            `*` for all; see `tidewire.origins`.
        shutdown_grace: seconds from SIGTERM or SIGINT to the exit; see docs/deployment.md.
        shutdown_spread: seconds over which clients are told to reconnect.
        shutdown_work: what goes on without readers, and may do so at the end: is called with the
            seconds that are left, possibly again, and returns when nothing is under way. With it,
            the shutdown does not wait for open subscriptions.
        allow_batching, allow_method_override, max_upload_bytes, response_meta, sse,
            jsonl_ping_interval: as for `HTTPHandler`.
        options: as for `Dispatcher`.
    """

    def __init__(
        self,
        router: Router,
        *,
        allowed_origins: Collection[str] = (),
        shutdown_grace: float = DEFAULT_GRACE,
        shutdown_spread: float = DEFAULT_SPREAD,
        shutdown_work: Work | None = None,
        allow_batching: bool = True,
        allow_method_override: bool = False,
        max_upload_bytes: int = 64 << 20,
        response_meta: ResponseHook | None = None,
        sse: SSEOptions = NO_SSE_OPTIONS,
        jsonl_ping_interval: float | None = None,
        **options: Unpack[DispatcherOptions],
    ) -> None:
        self.dispatcher: Dispatcher = Dispatcher(router, **options)
        if isinstance(allowed_origins, str):
            raise TypeError("allowed_origins must be a collection of origins, not one string")
        self._allowed_origins = frozenset(origin.rstrip("/").lower() for origin in allowed_origins)
        self._http = HTTPHandler(
            self.dispatcher,
            allow_batching=allow_batching,
            allow_method_override=allow_method_override,
            max_upload_bytes=max_upload_bytes,
            response_meta=response_meta,
            sse=sse,
            jsonl_ping_interval=jsonl_ping_interval,
        )
        self._sessions: set[Session] = set()
        self._answers: set[Answer] = set()
        self._new_drain = partial(
            Drain,
            self._sessions,
            self._answers,
            grace=shutdown_grace,
            spread=shutdown_spread,
            work=shutdown_work,
        )
        self.drain: Drain = self._new_drain()
        """What `lifespan` has run at the end; a new one each time."""

    def routes(self, path: str) -> list[BaseRoute]:
        """Routes that serve the router at `path`, for an application's own list."""
        routed = _Routed(self._serve, path.rstrip("/"))
        return [
            WebSocketRoute(path, routed),
            Route(path, routed),
            Route(f"{path.rstrip('/')}/{{procedure:path}}", routed),
        ]

    @asynccontextmanager
    async def lifespan(self, app: Any = None) -> AsyncGenerator[None]:
        """Shut down without loss: within it, the first SIGTERM or SIGINT starts the drain.

        At its end, calls that are still under way, mutations of gone clients among them, have the
        rest of the grace period.
        """
        self.drain = drain = self._new_drain()
        with drained_at_shutdown(drain):
            try:
                yield
            finally:
                await drain.finish_work()
                await self.dispatcher.close(drain.countdown.left(Stage.WORK))

    @property
    def draining(self) -> bool:
        """Whether the shutdown has begun, and load balancers should send nobody any more."""
        return self.drain.countdown.begun

    def broadcast_reconnect(self) -> None:
        """Tell every client to open a new connection and move its subscriptions there.

        Nothing is lost: stock clients resume each tracked subscription on the new connection.
        """
        for session in list(self._sessions):
            session.notify_reconnect()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a connection; procedures follow the path it is mounted at."""
        await self._serve(scope, receive, send, mount_path(scope))

    # What chooses is not a coroutine: a socket keeps each that it comes through for as long as it lives.

    def _serve(self, scope: Scope, receive: Receive, send: Send, prefix: str) -> Awaitable[None]:
        if scope["type"] == "websocket":
            return self.serve_socket(scope, receive, send)
        if self._may_ask(scope):
            return self._answer(scope, receive, send, _rest_of_path(scope, prefix))
        return _REFUSAL(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        # Also while draining: an EventSource that gets a 503 gives up for good.
        answer = Answer(send)
        self._answers.add(answer)
        try:
            await answer.serve(self._http.serve(scope, receive, answer.send, path))
        finally:
            self._answers.discard(answer)

    def serve_socket(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve a WebSocket, whatever its path."""
        websocket = WebSocket(scope, receive, send)
        if self.draining:
            return _deny(websocket, _CLOSING)
        if self._is_allowed(Headers(scope=scope)):
            return serve_websocket(self.dispatcher, websocket, self._sessions)
        return _deny(websocket, _REFUSAL)

    def _may_ask(self, scope: Scope) -> bool:
        # A GET changes nothing, and browsers keep its answer from the pages of others.
        return scope["method"] == "GET" or self._is_allowed(Headers(scope=scope))

    def _is_allowed(self, headers: Headers) -> bool:
        """Whether the page that asks may."""
        origin = headers.get("origin")
        host = headers.get("host", "")
        if is_allowed_origin(origin, host, self._allowed_origins):
            return True
        # A proxy that does not pass the header on is the usual reason.
        logger.warning(
            "Refused the page %s: it is not of the host %s that was asked for, nor among the allowed origins",
            origin,
            host,
        )
        return False


async def _deny(websocket: WebSocket, response: Response) -> None:
    extensions = websocket.scope.get("extensions", {})
    if "websocket.http.response" not in extensions:
        # Which servers answer with a 403 of their own.
        await websocket.close()
        return
    await websocket.send_denial_response(response)
    if DIRECT_EXTENSION in extensions:
        # uvicorn 0.54 logs an error about a handshake that was denied, unless the connection is gone.
        await extensions[DIRECT_EXTENSION].lost()


class _Routed:
    """An endpoint at a path of an application's own. An object, for Starlette takes functions for views."""

    def __init__(self, serve: Callable[[Scope, Receive, Send, str], Awaitable[None]], path: str) -> None:
        self._serve = serve
        self._path = path

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self._serve(scope, receive, send, mount_path(scope) + self._path)


def mount_path(scope: Scope) -> str:
    """The part of the path that has been routed by."""
    root: str = scope.get("root_path", "")
    if f"{scope['path']}/".startswith(f"{root}/"):
        return root
    # A proxy has taken the application's own root away.
    return root.removeprefix(scope.get("app_root_path", root))


def _rest_of_path(scope: Scope, prefix: str) -> str:
    """What follows `prefix`, still percent-encoded: decoded, a `/` in a name looks like one between."""
    raw = scope.get("raw_path")
    path = quote(scope["path"]) if raw is None else raw.decode("latin-1")
    depth = prefix.rstrip("/").count("/") + 1
    segments = path.split("/", depth)
    return f"/{segments[depth]}" if len(segments) > depth else ""
