"""A router as something to mount in Starlette or FastAPI."""

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from typing import Any, Unpack

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from ..dispatcher import Dispatcher, DispatcherOptions
from ..errors import logger
from ..origins import is_allowed_origin
from ..router import Router
from ..session import Session
from .websocket import serve_websocket


class EndpointOptions(DispatcherOptions, total=False):
    """The keyword arguments of `Endpoint`, for what passes them on."""

    allowed_origins: Collection[str]
    shutdown_timeout: float


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
        options: as for `Dispatcher`.
    """

    def __init__(
        self,
        router: Router,
        *,
        allowed_origins: Collection[str] = (),
        shutdown_timeout: float = 10.0,
        **options: Unpack[DispatcherOptions],
    ) -> None:
        self.dispatcher = Dispatcher(router, **options)
        self._allowed_origins = frozenset(origin.rstrip("/").lower() for origin in allowed_origins)
        self._shutdown_timeout = shutdown_timeout
        self._sessions: set[Session] = set()

    def routes(self, path: str) -> list[BaseRoute]:
        """Routes that serve the router at `path`, for an application's own list."""
        return [WebSocketRoute(path, self)]

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
        """Serve one connection."""
        websocket = WebSocket(scope, receive, send)
        origin = websocket.headers.get("origin")
        if is_allowed_origin(origin, websocket.headers.get("host", ""), self._allowed_origins):
            await serve_websocket(self.dispatcher, websocket, self._sessions)
            return
        logger.warning("Refused a WebSocket from the page %s: it is not among the allowed origins", origin)
        await websocket.send_denial_response(Response("This origin is not allowed.\n", status_code=403))


def create_app(router: Router, *, path: str = "/api/trpc", **options: Unpack[EndpointOptions]) -> Starlette:
    """Make an ASGI application that serves `router` at `path` and nothing else.

    Options are those of `Endpoint`, which is `app.state.endpoint`.
    """
    endpoint = Endpoint(router, **options)
    app = Starlette(routes=endpoint.routes(path), lifespan=endpoint.lifespan)
    app.state.endpoint = endpoint
    return app
