"""A router in applications of all makes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import fastapi
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.routing import Router as StarletteRouter
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.tidewire.peer import data, error_of, request, started, stopped
from tests.tidewire.transports.asgi import Socket
from tests.tidewire.transports.http_exchange import HTTPExchange
from tidewire import Endpoint, Router, create_app
from tidewire.transports.app import EndpointApp


def pinging() -> Router:
    router = Router()

    @router.query
    async def ping() -> str:
        return "pong"

    return router


async def home(request: Request) -> PlainTextResponse:
    return PlainTextResponse("home")


def answers(app: ASGIApp, path: str) -> bool:
    with TestClient(app) as client, client.websocket_connect(path) as socket:
        socket.send_json(request("query", "ping"))
        return bool(socket.receive_json() == data("pong"))


# ---------- where it can be put


def test_create_app_serves_a_router_at_its_path_and_nothing_else() -> None:
    assert answers(create_app(pinging()), "/api/trpc")
    assert answers(create_app(pinging(), path="/rpc"), "/rpc")
    with pytest.raises(WebSocketDisconnect):
        answers(create_app(pinging(), path="/rpc"), "/api/trpc")
    with TestClient(create_app(pinging())) as client:
        assert client.get("/").status_code == 404


def test_the_endpoint_of_an_app_is_in_its_state() -> None:
    assert isinstance(create_app(pinging()).state.endpoint, Endpoint)


def test_an_app_can_be_mounted() -> None:
    app = create_app(pinging())
    assert answers(Starlette(routes=[Mount("/chat", app)]), "/chat/api/trpc")
    with pytest.raises(WebSocketDisconnect):
        answers(Starlette(routes=[Mount("/chat", app)]), "/chat/other")


@pytest.fixture
def routed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The types of what comes through Starlette's layers to its router."""
    types: list[str] = []

    async def route(self: StarletteRouter, scope: Scope, receive: Receive, send: Send) -> None:
        types.append(scope["type"])
        await through(self, scope, receive, send)

    through = StarletteRouter.__call__
    monkeypatch.setattr(StarletteRouter, "__call__", route)
    return types


class Between:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def test_websockets_of_an_app_go_past_its_layers(routed: list[str]) -> None:
    assert answers(create_app(pinging()), "/api/trpc")
    endpoint = Endpoint(pinging())
    with_middleware = EndpointApp(
        endpoint, "/rpc", middleware=[Middleware(Between)], lifespan=endpoint.lifespan
    )
    assert answers(with_middleware, "/rpc")
    assert "websocket" not in routed


def test_middleware_that_was_added_sees_websockets_too(routed: list[str]) -> None:
    app = create_app(pinging())
    app.add_middleware(Between)
    assert answers(app, "/api/trpc")
    assert "websocket" in routed


def test_so_does_middleware_that_took_the_place_of_another(routed: list[str]) -> None:
    app = EndpointApp(Endpoint(pinging()), "/api/trpc", middleware=[Middleware(Between)])
    app.user_middleware[0] = Middleware(Between)
    assert answers(app, "/api/trpc")
    assert "websocket" in routed


def test_so_do_handlers_of_exceptions(routed: list[str]) -> None:
    async def handle(socket: WebSocket, error: Exception) -> None: ...

    app = create_app(pinging())
    app.add_exception_handler(ValueError, handle)
    assert answers(app, "/api/trpc")
    assert "websocket" in routed


def test_its_routes_stand_beside_those_of_a_starlette_app() -> None:
    endpoint = Endpoint(pinging())
    app = Starlette(routes=[Route("/", home), *endpoint.routes("/api/trpc")], lifespan=endpoint.lifespan)
    assert answers(app, "/api/trpc")
    with TestClient(app) as client:
        assert client.get("/").text == "home"


def test_its_routes_stand_beside_those_of_a_fastapi_app() -> None:
    endpoint = Endpoint(pinging())
    app = fastapi.FastAPI(lifespan=endpoint.lifespan)

    @app.get("/hello")
    async def hello() -> dict[str, str]:
        return {"hello": "world"}

    app.router.routes.extend(endpoint.routes("/api/trpc"))
    assert answers(app, "/api/trpc")
    with TestClient(app) as client:
        assert client.get("/hello").json() == {"hello": "world"}
        assert list(client.get("/openapi.json").json()["paths"]) == ["/hello"]


def test_it_can_be_mounted_in_starlette() -> None:
    assert answers(Starlette(routes=[Mount("/rpc", Endpoint(pinging()))]), "/rpc/")


def test_it_can_be_mounted_in_fastapi() -> None:
    app = fastapi.FastAPI()
    app.mount("/rpc", Endpoint(pinging()))
    assert answers(app, "/rpc/")


def test_it_can_be_served_by_itself() -> None:
    with TestClient(Endpoint(pinging())).websocket_connect("/") as socket:
        socket.send_json(request("query", "ping"))
        assert socket.receive_json() == data("pong")


def test_two_endpoints_in_one_app_do_not_mix() -> None:
    other = Router()

    @other.query
    async def ping() -> str:
        return "other"

    app = Starlette(routes=[*Endpoint(pinging()).routes("/one"), *Endpoint(other).routes("/two")])
    assert answers(app, "/one")
    assert not answers(app, "/two")


def test_options_reach_the_calls() -> None:
    def shout(shape: dict[str, Any], report: object) -> dict[str, Any]:
        return {**shape, "message": shape["message"].upper()}

    app = create_app(Router(), error_formatter=shout, max_batch_size=1)
    with TestClient(app) as client, client.websocket_connect("/api/trpc") as socket:
        socket.send_json([request("query", "a", id=1), request("query", "b", id=2)])
        assert error_of(socket.receive_json()) == (1, "BAD_REQUEST", "BATCH CALL EXCEEDS MAXIMUM SIZE")


# ---------- a connection by TestClient, from beginning to end


def test_a_subscription_streams_and_stops() -> None:
    router = Router()

    @router.subscription
    async def count() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    with TestClient(create_app(router)) as client, client.websocket_connect("/api/trpc") as socket:
        socket.send_json(request("subscription", "count"))
        assert [socket.receive_json(), socket.receive_json()] == [started(), data(1)]
        socket.send_json({"id": 1, "method": "subscription.stop"})
        assert socket.receive_json() == stopped()


def test_ping_is_answered_with_pong_and_a_binary_frame_with_an_error() -> None:
    with TestClient(create_app(Router())).websocket_connect("/api/trpc") as socket:
        socket.send_text("PING")
        assert socket.receive_text() == "PONG"
        socket.send_bytes(b"{}")
        assert error_of(socket.receive_json())[:2] == (None, "PARSE_ERROR")


# ---------- origins


@pytest.mark.parametrize("origin", ["https://evil.com", "null", "http://[bad"])
def test_a_page_of_another_origin_is_refused_with_403_and_logged(
    origin: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = TestClient(create_app(pinging(), allowed_origins=["https://app.example.com"]))
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client.websocket_connect("/api/trpc", headers={"origin": origin}),
    ):
        pass
    assert refused.value.status_code == 403
    assert refused.value.text == "This origin is not allowed.\n"
    assert [
        message for message in caplog.messages if f"{origin}: it is not of the host testserver" in message
    ]


@pytest.mark.parametrize("origin", ["https://app.example.com", "http://testserver"])
def test_a_page_of_an_allowed_origin_may_connect(origin: str) -> None:
    client = TestClient(create_app(pinging(), allowed_origins=["https://APP.example.com/"]))
    with client.websocket_connect("/api/trpc", headers={"origin": origin}) as socket:
        socket.send_json(request("query", "ping"))
        assert socket.receive_json() == data("pong")


async def test_a_server_that_cannot_send_a_denial_response_closes_instead() -> None:
    endpoint = Endpoint(pinging())
    async with Socket(endpoint, headers=[("origin", "https://evil.com")]) as socket:
        assert await socket.message() == {"type": "websocket.close", "code": 1000, "reason": ""}


# ---------- reconnect and shutdown


async def test_broadcasting_reconnect_reaches_every_open_connection() -> None:
    endpoint = Endpoint(pinging())
    async with Socket(endpoint) as gone:
        await gone.accepted()
    async with Socket(endpoint) as first, Socket(endpoint) as second:
        await first.accepted()
        await second.accepted()
        endpoint.broadcast_reconnect()
        for socket in (first, second):
            assert await socket.frame() == {"id": None, "method": "reconnect"}
            socket.send(request("query", "ping"))
            assert await socket.frame() == data("pong")


async def test_the_lifespan_waits_for_mutations_of_clients_that_are_gone() -> None:
    begun, released = asyncio.Event(), asyncio.Event()
    saved: list[bool] = []
    router = Router()

    @router.mutation
    async def save() -> None:
        begun.set()
        await released.wait()
        saved.append(True)

    app = create_app(router)
    async with app.router.lifespan_context(app):
        async with Socket(app) as socket:
            await socket.accepted()
            socket.send(request("mutation", "save"))
            await begun.wait()
        asyncio.get_running_loop().call_soon(released.set)
    assert saved == [True]


async def test_the_lifespan_cancels_mutations_after_the_grace_period() -> None:
    begun = asyncio.Event()
    cancelled: list[bool] = []
    router = Router()

    @router.mutation
    async def save() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)

    app = create_app(router, shutdown_grace=0.01)
    async with app.router.lifespan_context(app), Socket(app) as socket:
        await socket.accepted()
        socket.send(request("mutation", "save"))
        await begun.wait()
    assert cancelled == [True]


# ---------- draining


async def test_while_draining_sockets_are_refused_and_requests_are_served() -> None:
    endpoint = Endpoint(pinging(), shutdown_grace=2)
    app = Starlette(routes=endpoint.routes("/api/trpc"), lifespan=endpoint.lifespan)
    with TestClient(app) as client:
        states = [endpoint.draining]
        assert client.portal is not None
        client.portal.call(signalled, endpoint)
        states.append(endpoint.draining)
        assert states == [False, True]
        with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect("/api/trpc"):
            pass
        assert refused.value.status_code == 503
        assert client.get("/api/trpc/ping").json() == {"result": {"data": "pong"}}
    with TestClient(app) as client:
        assert not endpoint.draining
        assert answers(app, "/api/trpc")


async def signalled(endpoint: Endpoint) -> None:
    endpoint.drain.countdown.begin()


async def test_a_query_that_takes_too_long_is_answered_with_503() -> None:
    begun = asyncio.Event()
    router = Router()

    @router.query
    async def wait() -> None:
        begun.set()
        await asyncio.Event().wait()

    endpoint = Endpoint(router, shutdown_grace=0)
    async with HTTPExchange(endpoint, "GET", "/wait") as exchange:
        await begun.wait()
        await endpoint.drain.run()
        await endpoint.drain.finish()
        assert await exchange.start() == 503
        assert await exchange.rest() == b"The server is shutting down.\n"


async def test_an_event_stream_stops_where_it_is() -> None:
    router = Router()

    @router.subscription
    async def count() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    endpoint = Endpoint(router, shutdown_grace=0)
    async with HTTPExchange(endpoint, "GET", "/count", headers={"accept": "text/event-stream"}) as exchange:
        assert await exchange.start() == 200
        await exchange.until(b"data: 1")
        await endpoint.drain.run()
        await endpoint.drain.finish()
        assert b"return" not in await exchange.rest()
