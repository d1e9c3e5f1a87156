"""The ledger of tools that were run."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from .database import Database
from .tables import tool_runs


class ToolRuns:
    """A tool call is entered before it runs, and only once: what is not here has not begun.

    Every method raises `StoreError` when the database fails.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def start(self, conversation_id: str, turn_id: str, calls: Iterable[tuple[str, str]]) -> None:
        """Enter calls that are about to run, all or none; each is an id and the tool's name.

        Raises:
            StoreError: also when one of them is there already.
        """
        now = self._clock()
        rows = [
            {
                "conversation_id": conversation_id,
                "turn_id": turn_id,
                "tool_call_id": call_id,
                "tool_name": name,
                "started_at": now,
            }
            for call_id, name in calls
        ]
        await self._database.write(_insert, rows)

    async def started(self, turn_id: str) -> set[str]:
        """The ids of a turn's calls that have begun to run."""
        return await self._database.read(_started, turn_id)


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> None:
    connection.execute(insert(tool_runs), rows)


def _started(connection: Connection, turn_id: str) -> set[str]:
    query = select(tool_runs.c.tool_call_id).where(tool_runs.c.turn_id == turn_id)
    return set(connection.scalars(query))
