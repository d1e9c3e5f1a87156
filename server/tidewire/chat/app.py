"""The chat server as an ASGI application."""

import inspect
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tidewire import ConnectionInfo, Endpoint, SSEOptions
from tidewire.transports.app import EndpointApp

from .context import LOCAL_OWNER, Authenticate, ChatContext
from .providers import Provider
from .router import router
from .server import ChatServer
from .settings import Settings
from .tools import BUILTIN_TOOLS, Tool
from .web import web_routes

API_PATH = "/api/trpc"
PING_INTERVAL = 15.0
"""Seconds; proxies give up connections that are silent for longer, most of them after 30 or 60."""


def create_chat_app(
    settings: Settings | None = None,
    *,
    provider: Provider | None = None,
    tools: Iterable[Tool[..., Any]] = BUILTIN_TOOLS,
    authenticate: Authenticate = lambda connection: LOCAL_OWNER,
) -> Starlette:
    """Make the chat server, at `/api/trpc`, with the web app at `/` unless the settings switch it off.

    `/healthz` answers with 200 while it runs, for what restarts a server that hangs; `/readyz` does until
    the shutdown begins, and with 503 from then on, for what sends clients to it.

    Args:
        settings: from the environment and `.env` by default.
        provider: answers, instead of the one that the settings choose.
        tools: what models may call, built-in ones included.
        authenticate: tells who is connecting.

    Raises:
        SettingsError: an environment variable is wrong.
    """
    settings = settings or Settings.load()
    chat = ChatServer(settings, provider=provider, tools=tools)

    async def make_context(connection: ConnectionInfo) -> ChatContext:
        owner = authenticate(connection)
        return ChatContext(connection, chat, await owner if inspect.isawaitable(owner) else owner)

    async def finish_turns(grace: float) -> None:
        await chat.turns.drain(grace)

    endpoint = Endpoint(
        router,
        context=make_context,
        transformer=settings.transformer,
        max_message_bytes=settings.max_message_bytes,
        allowed_origins=settings.allowed_origins,
        shutdown_grace=settings.shutdown_grace,
        shutdown_spread=settings.shutdown_spread,
        shutdown_work=finish_turns,
        sse=SSEOptions(ping_interval=PING_INTERVAL, reconnect_after_inactivity=3 * PING_INTERVAL),
        jsonl_ping_interval=PING_INTERVAL,
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(chat.running())
            await stack.enter_async_context(endpoint.lifespan())
            yield

    async def readiness(request: Request) -> PlainTextResponse:
        if endpoint.draining:
            return PlainTextResponse("draining\n", status_code=503)
        return PlainTextResponse("ready\n")

    app = EndpointApp(
        endpoint,
        API_PATH,
        routes=[
            Route("/healthz", _health),
            Route("/readyz", readiness),
            *(web_routes() if settings.web == "on" else []),
        ],
        middleware=_cross_origin(settings.allowed_origins),
        lifespan=lifespan,
    )
    app.state.chat = chat
    return app


def _cross_origin(origins: Sequence[str]) -> list[Middleware]:
    """Let pages of these origins read answers; without any, browsers keep them to the server's own."""
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            allow_credentials="*" not in origins,
        )
    ]


async def _health(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok\n")
