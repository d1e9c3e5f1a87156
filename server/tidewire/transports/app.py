"""A router as an application of its own."""

from collections.abc import Awaitable, Sequence
from typing import Any, Unpack

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from ..router import Router
from .endpoint import Endpoint, EndpointOptions, mount_path


class EndpointApp(Starlette):
    """An endpoint at a path, and whatever else the routes say.

    WebSockets at the path go past Starlette's layers, unless middleware or handlers of exceptions were
    added: see docs/adr/0010.

    Args:
        routes: others. One that is put before those of the endpoint later does not get its WebSockets.
        middleware: what WebSockets do not need.
        options: as for Starlette.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        path: str,
        *,
        routes: Sequence[BaseRoute] = (),
        middleware: Sequence[Middleware] = (),
        **options: Any,
    ) -> None:
        super().__init__(routes=[*endpoint.routes(path), *routes], middleware=middleware, **options)
        self.state.endpoint = endpoint
        self._endpoint = endpoint
        self._path = path
        self._unneeded = list(middleware)

    def build_middleware_stack(self) -> ASGIApp:
        """Put the layers together, when the first request or connection comes."""
        layers = super().build_middleware_stack()
        if self.user_middleware != self._unneeded or self.exception_handlers:
            return layers
        return _Shortcut(self._endpoint, self._path, layers)


class _Shortcut:
    """Leads WebSockets to the endpoint, and all else through the layers."""

    def __init__(self, endpoint: Endpoint, path: str, layers: ASGIApp) -> None:
        self._endpoint = endpoint
        self._path = path
        self._layers = layers

    # Not a coroutine, which sockets would keep.
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "websocket" and scope["path"] == mount_path(scope) + self._path:
            return self._endpoint.serve_socket(scope, receive, send)
        return self._layers(scope, receive, send)


def create_app(router: Router, *, path: str = "/api/trpc", **options: Unpack[EndpointOptions]) -> Starlette:
    """Make an ASGI application that serves `router` at `path` and nothing else.

    Options are those of `Endpoint`, which is `app.state.endpoint`.
    """
    endpoint = Endpoint(router, **options)
    return EndpointApp(endpoint, path, lifespan=endpoint.lifespan)
