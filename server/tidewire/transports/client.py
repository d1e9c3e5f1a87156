"""Working for a client while it stays."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from starlette.types import Receive


class Client:
    """Whoever waits for the answer to a request whose body has been read, or is empty.

    Args:
        receive: of the request; only the client's disconnect is left to receive.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._gone = False

    async def gone(self) -> None:
        """Wait until the client has disconnected, or has got its answer."""
        while not self._gone:
            self._gone = (await self._receive())["type"] == "http.disconnect"

    async def while_connected(self, work: Awaitable[Any]) -> None:
        """Do `work`, but cancel it when the client disconnects."""
        working = asyncio.ensure_future(work)
        watching = asyncio.create_task(self.gone())
        try:
            await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            watching.cancel()
            gone = not working.done()
            if gone:
                working.cancel()
            await asyncio.wait({working, watching})
        if not gone:
            working.result()
