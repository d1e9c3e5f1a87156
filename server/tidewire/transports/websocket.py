"""tRPC over a WebSocket."""

import asyncio

from starlette.websockets import WebSocket, WebSocketDisconnect

from ..dispatcher import Dispatcher
from ..session import Session
from .request import connection_info

NORMAL_CLOSE_EXTENSION = "tidewire.close_without_code"
"""A server that has this ASGI extension can close without a code, as the reference does."""


async def serve_websocket(dispatcher: Dispatcher, websocket: WebSocket, sessions: set[Session]) -> None:
    """Serve one connection until it ends.

    It is in `sessions` while it is open. Received frames are always read at once: stock clients
    up to 11.22 loop for ever if the reply to their Close is late.
    """
    await websocket.accept()
    session = Session(
        dispatcher,
        connection_info(websocket, "websocket"),
        announces_params=websocket.query_params.get("connectionParams") == "1",
    )
    sessions.add(session)
    writing = asyncio.create_task(_write(websocket, session))
    try:
        session.open()
        await _read(websocket, session)
    finally:
        sessions.discard(session)
        writing.cancel()
        await session.close()


async def _read(websocket: WebSocket, session: Session) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text")
        session.receive(message["bytes"] if text is None else text)


async def _write(websocket: WebSocket, session: Session) -> None:
    try:
        async for frames in session.outbox.batches():
            for frame in frames:
                await websocket.send_text(frame.decode())
        await _close(websocket)
    except WebSocketDisconnect:
        # The reader sees it as well, and ends the session.
        return


async def _close(websocket: WebSocket) -> None:
    if NORMAL_CLOSE_EXTENSION in websocket.scope.get("extensions", {}):
        await websocket.send({"type": "websocket.close", "code": None, "reason": ""})
    else:
        await websocket.close()
