"""The servers that use a database at the same time, as in a deploy."""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

from filelock import FileLock, Timeout
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .errors import StoreError

HERE: Final = 0x71DF
COUNTING: Final = 0x71E0
"""Keys of PostgreSQL's advisory locks; any numbers will do that nobody else uses on this database."""

COUNTING_RETRY: Final = 0.02
COUNTING_PATIENCE: Final = 5.0
"""Seconds between two attempts to count, and to try for; another server counts for some milliseconds."""


class Servers(Protocol):
    """Tells whether a server is the only one. One that ends is gone at once, however sudden its end."""

    def alone(self) -> AbstractAsyncContextManager[bool]:
        """Be counted, if this is the first time, and look whether any other server is.

        Within the block no other server can come, so that what it finds in the database is of servers
        that are gone, or its own.

        Raises:
            StoreError: nobody can tell.
        """
        ...

    async def leave(self) -> None:
        """No longer be counted."""
        ...


class NoOthers:
    """Of a database in memory, which nobody else can open."""

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[bool]:
        """See `Servers`."""
        yield True

    async def leave(self) -> None:
        """See `Servers`."""


class FileServers:
    """Of an SQLite file: each server holds a lock on a file of its own, which the system lifts at its end.

    Not on the database's own file: on some systems closing that a second time would lift SQLite's locks.
    """

    def __init__(self, database: Path) -> None:
        self._folder = database.with_name(f"{database.name}.servers")
        self._own = self._folder / f"{uuid.uuid4().hex}.lock"
        self._here = FileLock(self._own, thread_local=False)
        self._counting = FileLock(self._folder / "counting", thread_local=False)

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[bool]:
        """See `Servers`."""
        await self._begin_counting()
        try:
            # Each is looked at, so that those of dead servers are deleted.
            held = [_is_held(each) for each in self._others()]
            yield not any(held)
        finally:
            self._counting.release()

    async def leave(self) -> None:
        """See `Servers`."""
        if self._here.is_locked:
            self._here.release()
            with suppress(OSError):
                self._own.unlink(missing_ok=True)

    async def _begin_counting(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + COUNTING_PATIENCE
        try:
            self._folder.mkdir(exist_ok=True)
            while True:
                with suppress(Timeout):
                    self._counting.acquire(blocking=False)
                    break
                if loop.time() > deadline:
                    raise StoreError("Another server holds up the start of this one.")
                await asyncio.sleep(COUNTING_RETRY)
            if not self._here.is_locked:
                self._here.acquire(blocking=False)
        except OSError as error:
            raise StoreError(f"The folder {self._folder.name} beside the database cannot be used.") from error

    def _others(self) -> list[Path]:
        return [each for each in self._folder.glob("*.lock") if each != self._own]


def _is_held(path: Path) -> bool:
    """Whether a server that is alive holds this lock; what a dead one has left is deleted."""
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    # After that, for Windows deletes no file that is open; nobody comes while servers are counted.
    with suppress(OSError):
        path.unlink(missing_ok=True)
    return False


class PostgreSQLServers:
    """Of a database on a server: each holds a shared advisory lock by a connection of its own."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connection: AsyncConnection | None = None
        # Two that connect at once would count each other, and a connection has one user at a time.
        self._looking = asyncio.Lock()

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[bool]:
        """See `Servers`."""
        async with self._looking, self._counting() as alone:
            yield alone

    @asynccontextmanager
    async def _counting(self) -> AsyncGenerator[bool]:
        try:
            connection = await self._connected()
            await connection.execute(select(func.pg_advisory_lock(COUNTING)))
            others = await connection.scalar(_OTHERS, {"key": HERE})
        except (DBAPIError, OSError) as error:
            await self.leave()
            raise StoreError("The database is busy or unavailable.") from error
        try:
            yield not others
        finally:
            with suppress(DBAPIError, OSError):
                await connection.execute(select(func.pg_advisory_unlock(COUNTING)))

    async def leave(self) -> None:
        """See `Servers`."""
        if self._connection is None:
            return
        connection, self._connection = self._connection, None
        with suppress(DBAPIError, OSError):
            # Closed for good: back in the pool it would keep its locks.
            await connection.invalidate()
            await connection.close()

    async def _connected(self) -> AsyncConnection:
        if self._connection is None:
            self._connection = await self._engine.connect()
            await self._connection.execution_options(isolation_level="AUTOCOMMIT")
            await self._connection.execute(text(f"SET lock_timeout = '{COUNTING_PATIENCE:g}s'"))
            await self._connection.execute(select(func.pg_advisory_lock_shared(HERE)))
        return self._connection


# The lower half of a key of 64 bits is in `objid`.
_OTHERS: Final = text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = :key"
    " AND granted AND pid <> pg_backend_pid()"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
