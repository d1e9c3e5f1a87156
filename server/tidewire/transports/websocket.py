"""tRPC over a WebSocket."""

import asyncio

from starlette.requests import HTTPConnection
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
    session, client = _open_session(dispatcher, HTTPConnection(websocket.scope), wire)
    sessions.add(session)
    writer = _Writer(wire, session, client)
    wire.empty(session.outbox, writer.begin)
    try:
        session.open()
        await wire.read(session.receive)
    finally:
        writer.end()
        session.hang_up()
        try:
            await wire.gone()
        finally:
            await session.close()
            sessions.discard(session)


def _open_session(dispatcher: Dispatcher, asked: HTTPConnection, wire: Wire) -> tuple[Session, str | None]:
    # Apart from the WebSocket, which would keep what it is asked for, headers and all.
    info = connection_info(asked, "websocket")
    announces_params = asked.query_params.get("connectionParams") == "1"
    return Session(dispatcher, info, announces_params=announces_params, cut=wire.abort), info.client


class _Writer:
    """A task that sends what has to wait, and closes the WebSocket; many connections never need it."""

    def __init__(self, wire: Wire, session: Session, client: str | None) -> None:
        self._wire = wire
        self._session = session
        self._client = client
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    def begin(self) -> None:
        """Start it."""
        if not self._ended:
            self._task = asyncio.create_task(self._write())

    def end(self) -> None:
        """Cancel it, because the socket is gone."""
        self._ended = True
        if self._task is not None:
            self._task.cancel()

    async def _write(self) -> None:
        try:
            async for frames in self._session.outbox.batches():
                await self._wire.send(frames)
            await self._wire.close(self._session.close_code)
        except StuckReaderError:
            logger.warning("Cutting %s off, which takes nothing of what is sent to it", self._client)
            self._session.abort()
        except WebSocketDisconnect:
            # The reader sees it as well, and ends the session.
            return
