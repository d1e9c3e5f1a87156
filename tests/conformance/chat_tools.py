"""A chat server with tools that tests can meet: served as `tests.conformance.chat_tools:app`.

`visit` and `visit_blocking` connect to a port of the test's and answer with the line they get
there, so a test sees when they run, decides when they end, and sees when they are given up. Tests
that share a server see nothing of each other when each has a cookie `visitor` of its own.
"""

import asyncio
import socket

from tidewire import ConnectionInfo
from tidewire.chat import BUILTIN_TOOLS, ToolError, create_chat_app, tool
from tidewire.chat.context import LOCAL_OWNER

LOOPBACK = "127.0.0.1"

_meeting = asyncio.Barrier(2)


@tool
async def meet(name: str) -> str:
    """Wait for somebody else who wants to meet."""
    await _meeting.wait()
    return f"{name} has met somebody"


@tool
async def visit(port: int) -> str:
    """Fetch a line."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        return (await reader.readline()).decode().strip()
    finally:
        writer.close()


@tool
def visit_blocking(port: int) -> str:
    """Fetch a line, and block a thread meanwhile."""
    with socket.create_connection((LOOPBACK, port)) as connection, connection.makefile() as lines:
        return lines.readline().strip()


@tool
async def break_down(reason: str) -> None:
    """Fail on purpose."""
    raise ToolError(reason)


@tool
async def crash() -> None:
    """Fail as a bug does."""
    raise RuntimeError("a secret of the tool's")


@tool(timeout=0.05)
async def dawdle() -> None:
    """Take for ever."""
    await asyncio.Event().wait()


def visitor(connection: ConnectionInfo) -> str:
    """Who a cookie says it is; without one, the owner of everything."""
    return connection.cookies.get("visitor", LOCAL_OWNER)


app = create_chat_app(
    tools=[*BUILTIN_TOOLS, meet, visit, visit_blocking, break_down, crash, dawdle], authenticate=visitor
)
