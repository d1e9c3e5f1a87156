"""What a procedure knows about who is calling."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import msgspec

Transport = Literal["websocket", "http", "sse", "memory"]


class ConnectionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """How a client is connected."""

    transport: Transport
    url: str = ""
    """As the client asked for it, query string included."""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Names in lower case; the first one wins where a name is repeated."""
    cookies: Mapping[str, str] = msgspec.field(default_factory=dict)
    client: str | None = None
    """The peer's address, as far as the server can tell."""
    connection_params: Mapping[str, str] | None = None
    """What the client's `connectionParams` gave."""


class Context:
    """The first argument of a procedure that names it `ctx`. Subclass it to add your own.

    One is made for each WebSocket connection, and serves all calls on it.
    """

    def __init__(self, connection: ConnectionInfo) -> None:
        self.connection = connection


ContextFactory = Callable[[ConnectionInfo], Any | Awaitable[Any]]
"""Makes the context. An `RPCError` it raises refuses the connection."""
