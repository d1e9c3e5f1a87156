"""A router as something to mount in Starlette or FastAPI."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any, Unpack
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from ..dispatcher import Dispatcher, DispatcherOptions
from ..errors import logger
from ..origins import is_allowed_origin
from ..router import Router
from ..session import Session
from .event_stream import SSEOptions
from .http import NO_SSE_OPTIONS, HTTPHandler
from .meta import ResponseHook
from .websocket import serve_websocket

_REFUSAL = PlainTextResponse("This origin is not allowed.\n", status_code=403)


class EndpointOptions(DispatcherOptions, total=False):
    """The keyword arguments of `Endpoint`, for what passes them on."""

    allowed_origins: Collection[str]
    shutdown_timeout: float
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
        shutdown_timeout: seconds that `lifespan` waits for mutations to finish.
        allow_batching, allow_method_override, max_upload_bytes, response_meta, sse,
            jsonl_ping_interval: as for `HTTPHandler`.
        options: as for `Dispatcher`.
    """

    def __init__(
        self,
        router: Router,
        *,
        allowed_origins: Collection[str] = (),
        shutdown_timeout: float = 10.0,
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
        self._shutdown_timeout = shutdown_timeout
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
        """End the calls under way when the application shuts down."""
        yield
        await self.dispatcher.close(self._shutdown_timeout)

    def broadcast_reconnect(self) -> None:
        """Tell every client to open a new connection and move its subscriptions there.

        Nothing is lost: stock clients resume each tracked subscription on the new connection.
        """
        for session in list(self._sessions):
            session.notify_reconnect()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a connection; procedures follow the path it is mounted at."""
        await self._serve(scope, receive, send, _mount_path(scope))

    async def _serve(self, scope: Scope, receive: Receive, send: Send, prefix: str) -> None:
        if scope["type"] == "websocket":
            await self._serve_websocket(WebSocket(scope, receive, send))
        elif self._may_ask(scope):
            await self._http.serve(scope, receive, send, _rest_of_path(scope, prefix))
        else:
            await _REFUSAL(scope, receive, send)

    async def _serve_websocket(self, websocket: WebSocket) -> None:
        if self._is_allowed(websocket.headers):
            await serve_websocket(self.dispatcher, websocket, self._sessions)
        elif "websocket.http.response" in websocket.scope.get("extensions", {}):
            await websocket.send_denial_response(_REFUSAL)
        else:
            # Which servers answer with a 403 of their own.
            await websocket.close()

    def _may_ask(self, scope: Scope) -> bool:
        # A GET changes nothing, and browsers keep its answer from the pages of others.
        return scope["method"] == "GET" or self._is_allowed(Headers(scope=scope))

    def _is_allowed(self, headers: Headers) -> bool:
        """Whether the page that asks may."""
        origin = headers.get("origin")
        if is_allowed_origin(origin, headers.get("host", ""), self._allowed_origins):
            return True
        logger.warning("Refused the page %s: it is not among the allowed origins", origin)
        return False


class _Routed:
    """An endpoint at a path of an application's own. An object, for Starlette takes functions for views."""

    def __init__(self, serve: Callable[[Scope, Receive, Send, str], Awaitable[None]], path: str) -> None:
        self._serve = serve
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(scope, receive, send, _mount_path(scope) + self._path)


def _mount_path(scope: Scope) -> str:
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


def create_app(router: Router, *, path: str = "/api/trpc", **options: Unpack[EndpointOptions]) -> Starlette:
    """Make an ASGI application that serves `router` at `path` and nothing else.

    Options are those of `Endpoint`, which is `app.state.endpoint`.
    """
    endpoint = Endpoint(router, **options)
    app = Starlette(routes=endpoint.routes(path), lifespan=endpoint.lifespan)
    app.state.endpoint = endpoint
    return app
