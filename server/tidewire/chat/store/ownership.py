"""Which of several servers on one database ends the turns that others left open."""

from pathlib import Path
from typing import Final, Protocol

from filelock import FileLock, Timeout
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .errors import StoreError

OWNER_LOCK: Final = 0x71DF
"""Key of PostgreSQL's advisory lock; any number will do that nobody else uses on this database."""


class Ownership(Protocol):
    """One server at a time owns a database; its end, however sudden, sets it free."""

    async def take(self) -> bool:
        """Become the owner, unless another server is; does not wait.

        Raises:
            StoreError: nobody can tell.
        """
        ...

    async def release(self) -> None:
        """Let another server become the owner."""
        ...


class Unshared:
    """Of a database in memory, which nobody else can open."""

    async def take(self) -> bool:
        """See `Ownership`."""
        return True

    async def release(self) -> None:
        """See `Ownership`."""


class FileOwnership:
    """Of an SQLite file: a lock on a file beside it, which the system lifts when its process ends.

    Not a lock on the database's own file: on some systems closing that a second time would lift SQLite's.
    """

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(f"{database.name}.lock")
        self._lock = FileLock(self._path, thread_local=False)

    async def take(self) -> bool:
        """See `Ownership`."""
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return False
        except OSError as error:
            raise StoreError(f"The file {self._path.name} beside the database cannot be locked.") from error
        return True

    async def release(self) -> None:
        """See `Ownership`."""
        self._lock.release()


class PostgreSQLOwnership:
    """Of a database on a server: an advisory lock, held by a connection of its own."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connection: AsyncConnection | None = None

    async def take(self) -> bool:
        """See `Ownership`."""
        if self._connection is not None:
            return True
        try:
            connection = await self._engine.connect()
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            taken = await connection.scalar(select(func.pg_try_advisory_lock(OWNER_LOCK)))
        except (DBAPIError, OSError) as error:
            raise StoreError("The database is busy or unavailable.") from error
        if not taken:
            await connection.close()
            return False
        self._connection = connection
        return True

    async def release(self) -> None:
        """See `Ownership`."""
        if self._connection is not None:
            # Closed for good: back in the pool it would keep the lock.
            await self._connection.invalidate()
            await self._connection.close()
            self._connection = None
