"""tRPC over a WebSocket."""

import asyncio

from starlette.websockets import WebSocket, WebSocketDisconnect

from ..dispatcher import Dispatcher
from ..errors import logger
from ..session import Session
from .request import connection_info
from .wire import StuckReaderError, Wire, open_wire


async def serve_websocket(dispatcher: Dispatcher, websocket: WebSocket, sessions: set[Session]) -> None:
    """Serve one connection until it is gone. It is in `sessions` until then."""
    await websocket.accept()
    wire = open_wire(websocket, dispatcher.stuck_timeout)
    info = connection_info(websocket, "websocket")
    session = Session(
        dispatcher,
        info,
        announces_params=websocket.query_params.get("connectionParams") == "1",
        cut=wire.abort,
    )
    sessions.add(session)
    wire.empty(session.outbox)
    writing = asyncio.create_task(_write(wire, session, info.client))
    try:
        session.open()
        await wire.read(session.receive)
    finally:
        writing.cancel()
        session.hang_up()
        try:
            await wire.gone()
        finally:
            await session.close()
            sessions.discard(session)


async def _write(wire: Wire, session: Session, client: str | None) -> None:
    try:
        async for frames in session.outbox.batches():
            await wire.send(frames)
        await wire.close(session.close_code)
    except StuckReaderError:
        logger.warning("Cutting %s off, which takes nothing of what is sent to it", client)
        session.abort()
    except WebSocketDisconnect:
        # The reader sees it as well, and ends the session.
        return
