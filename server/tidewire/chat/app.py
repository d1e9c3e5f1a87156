"""The chat server as an ASGI application."""

import inspect
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tidewire import ConnectionInfo, Endpoint

from .context import LOCAL_OWNER, Authenticate, ChatContext
from .providers import Provider
from .router import router
from .server import ChatServer
from .settings import Settings
from .tools import BUILTIN_TOOLS, Tool

API_PATH = "/api/trpc"


def create_chat_app(
    settings: Settings | None = None,
    *,
    provider: Provider | None = None,
    tools: Iterable[Tool[..., Any]] = BUILTIN_TOOLS,
    authenticate: Authenticate = lambda connection: LOCAL_OWNER,
) -> Starlette:
    """Make the chat server, at `/api/trpc`; `/healthz` answers while it runs.

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

    endpoint = Endpoint(
        router,
        context=make_context,
        max_message_bytes=settings.max_message_bytes,
        allowed_origins=settings.allowed_origins,
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(chat.running())
            await stack.enter_async_context(endpoint.lifespan())
            yield

    app = Starlette(routes=[*endpoint.routes(API_PATH), Route("/healthz", _health)], lifespan=lifespan)
    app.state.endpoint = endpoint
    app.state.chat = chat
    return app


async def _health(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok\n")
