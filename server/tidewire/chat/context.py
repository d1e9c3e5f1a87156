"""What the chat server's procedures get."""

from collections.abc import Awaitable, Callable

from tidewire import ConnectionInfo, Context

from .server import ChatServer

LOCAL_OWNER = "local"
"""Owns every conversation until authentication is configured."""

Authenticate = Callable[[ConnectionInfo], str | Awaitable[str]]
"""Tells who is connecting: the owner of what they create and see. May raise an `RPCError`."""


class ChatContext(Context):
    """A connection to the chat server, and who is at the other end."""

    def __init__(self, connection: ConnectionInfo, chat: ChatServer, owner: str) -> None:
        super().__init__(connection)
        self.chat = chat
        self.owner = owner
