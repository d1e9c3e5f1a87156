"""A chat server that believes its clients: served as `tests.conformance.chat_owners:app`."""

from tidewire import ConnectionInfo, RPCError
from tidewire.chat import create_chat_app


async def authenticate(connection: ConnectionInfo) -> str:
    params = connection.connection_params or {}
    if "user" not in params:
        raise RPCError("UNAUTHORIZED", "Say who you are")
    return params["user"]


app = create_chat_app(authenticate=authenticate)
