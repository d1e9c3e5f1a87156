"""The connections to the database: how they are set up, and who may use one when."""

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Concatenate, Final, ParamSpec, Protocol, Self, TypeVar

import aiosqlite
from sqlalchemy import Connection, Engine, NullPool, Table, create_engine, insert
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from .appender import CAN_APPEND, Appender
from .errors import NullCharacterError, StoreError
from .servers import FileServers, NoOthers, PostgreSQLServers, Servers
from .url import is_sqlite, patience, sqlite_file

T = TypeVar("T")
P = ParamSpec("P")

logger: Final = logging.getLogger(__name__)

BUSY_TIMEOUT: Final = 5.0
"""Seconds to wait for another process's write: as long as a thousand of our transactions, yet within a
person's patience. A `?timeout=` in the URL overrides it."""

WAL_RETRY: Final = 0.01
"""Seconds between two attempts to switch a new file to WAL."""

PRIMARY_CODE: Final = 0xFF
"""The bits of a SQLite error code that say what kind it is; the rest are details."""

READERS: Final = 4
"""SQLite connections for reading: one thread each, and a read takes well under a millisecond."""

POSTGRESQL_CONNECTIONS: Final = 10
"""Of its 100 by default, so that several instances fit beside each other."""

PRAGMAS: Final = (
    "PRAGMA foreign_keys=ON",
    # FULL syncs at every commit, so what a person saw as saved also survives a power cut. NORMAL would
    # not, and a turn commits only a few times (measured: 0.4 ms against 0.02 ms per transaction).
    "PRAGMA synchronous=FULL",
    # Pages: 32 MiB of log are copied into the database at a time. By default it is an eighth of that, and a
    # page that is written on again and again is copied as often.
    "PRAGMA wal_autocheckpoint=8000",
)

CACHE: Final = 256
"""KiB of a connection's own page cache. By default it is 2,000, which six connections fill only after
thousands of turns, for what the system's cache holds anyway."""

APPENDER_CACHE: Final = 4096
"""The same for the one that appends: the pages at which a thousand conversations are written on. To read
these again for each group is a fifth of what an entry costs. A commit of another connection empties it."""


class Transactions(Protocol):
    """Runs transactions on connections that are made when needed."""

    async def run(self, work: Callable[[Connection], T], *, writes: bool) -> T:
        """Run `work` in a transaction; what it raises undoes it. Not to be cancelled."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class SQLiteTransactions:
    """Each transaction runs whole in a thread, which is one trip there and back.

    An asynchronous driver takes four for each statement, so that one of eight statements costs twice as much.
    """

    def __init__(self, url: URL, *, connections: int) -> None:
        self._engine = sqlite_engine(url)
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="sqlite")
        self._of_thread = threading.local()
        self._connections: list[Connection] = []

    async def run(self, work: Callable[[Connection], T], *, writes: bool) -> T:
        """See `Transactions`."""
        # A writer takes the lock at once: a reader that turns writer midway fails without waiting.
        begin = "BEGIN IMMEDIATE" if writes else "BEGIN DEFERRED"

        def transact() -> T:
            connection = self._connection()
            with connection.begin():
                connection.exec_driver_sql(begin)
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._threads, transact)

    def _connection(self) -> Connection:
        """This thread's. To take one out of a pool each time is a third of what a small transaction costs."""
        connection: Connection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            connection = self._of_thread.connection = self._engine.connect()
            self._connections.append(connection)
        return connection

    async def close(self) -> None:
        """See `Transactions`."""
        # By a thread: the last connection of a file copies what is left in its WAL.
        await asyncio.to_thread(self._close_all)
        self._threads.shutdown(wait=False)

    def _close_all(self) -> None:
        for connection in self._connections:
            connection.close()


class PostgreSQLTransactions:
    """On an asynchronous driver."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, work: Callable[[Connection], T], *, writes: bool) -> T:
        """See `Transactions`."""
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        """See `Transactions`."""
        await self._engine.dispose()


class Database:
    """Runs functions in transactions, a bounded number at a time.

    SQLite has one writer. Writers queue here, in order and without polling, rather than in SQLite's busy
    handler, which sleeps and is unfair: with many of them someone would time out. Readers have connections
    of their own (WAL: they neither wait for the writer nor stop it). The gates together are as wide as there
    are connections, so that nobody ever waits for one.
    """

    def __init__(
        self,
        transactions: Transactions,
        servers: Servers,
        *,
        readers: asyncio.Semaphore,
        writers: asyncio.Semaphore,
        appender: Appender | None = None,
    ) -> None:
        self.servers: Servers = servers
        self._appender = appender
        self._transactions = transactions
        self._readers = readers
        self._writers = writers
        self._running: set[asyncio.Task[object]] = set()
        self._closed = False

    @classmethod
    def connect(cls, url: URL) -> Self:
        """Set up the engine; the first connection is made with the first transaction."""
        if not is_sqlite(url):
            gate = asyncio.Semaphore(POSTGRESQL_CONNECTIONS)
            # One more counts the servers.
            size = POSTGRESQL_CONNECTIONS + 1
            engine = create_async_engine(
                url,
                pool_size=size,
                max_overflow=0,
                pool_pre_ping=True,
                hide_parameters=True,
                connect_args=patience(url),
            )
            transactions = PostgreSQLTransactions(engine)
            return cls(transactions, PostgreSQLServers(engine), readers=gate, writers=gate)
        file = sqlite_file(url)
        if file is None:
            # A database in memory lives as long as its one connection, and a connection has one
            # transaction: readers and writers take turns.
            gate = asyncio.Semaphore(1)
            return cls(SQLiteTransactions(url, connections=1), NoOthers(), readers=gate, writers=gate)
        readers, writers = asyncio.Semaphore(READERS), asyncio.Semaphore(1)
        appender = Appender(lambda: connect_appender(url)) if CAN_APPEND else None
        return cls(
            SQLiteTransactions(url, connections=READERS + 1),
            FileServers(file),
            readers=readers,
            writers=writers,
            appender=appender,
        )

    async def read(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work` in a transaction that only reads.

        Raises:
            StoreError: the database failed.
        """
        return await self._run(
            self._readers, lambda: self._transactions.run(lambda c: work(c, *args, **kwargs), writes=False)
        )

    async def write(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work` in a transaction that writes, alone on SQLite; what it raises undoes it.

        Cancelled while it waits its turn, it never happens. Cancelled later, the caller is let go at once,
        but the transaction runs to its end: whole, never half.

        Raises:
            StoreError: the database failed.
        """
        return await self._run(
            self._writers, lambda: self._transactions.run(lambda c: work(c, *args, **kwargs), writes=True)
        )

    async def append(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows, all or none; on an SQLite file at a fraction of what a transaction costs.

        Raises:
            StoreError: the database failed.
        """
        appender = self._appender
        if appender is None:
            await self.write(_insert, table, rows)
        else:
            await self._run(self._writers, lambda: appender.append(table, rows))

    async def close(self) -> None:
        """Wait for what is running, then close all connections."""
        self._closed = True
        while self._running:
            await asyncio.wait(self._running)
        await self.servers.leave()
        if self._appender is not None:
            await self._appender.close()
        await self._transactions.close()

    async def _run(self, gate: asyncio.Semaphore, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        await gate.acquire()
        # A task of its own, which nobody cancels: a transaction that has begun runs to its end, and an
        # asynchronous driver closes a connection whose statement is cancelled.
        task = asyncio.create_task(self._guarded(work))
        self._running.add(task)
        task.add_done_callback(partial(self._finish, gate))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(log_unheard_failure)
            raise

    async def _guarded(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if self._closed:
            raise StoreError("The database is closed.")
        try:
            return await work()
        except DataError as error:
            # Not the database's fault, and no better the next time.
            if "NUL" in str(error.orig):
                raise NullCharacterError("The text holds a null character.") from error
            raise
        except (DBAPIError, sqlite3.Error, OSError) as error:
            raise StoreError("The database is busy or unavailable.") from error

    def _finish(self, gate: asyncio.Semaphore, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        gate.release()


def _insert(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    names = [column.name for column in table.columns]
    connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows])


def log_unheard_failure(task: asyncio.Task[T]) -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.warning("A database transaction failed after its caller was cancelled.", exc_info=error)


async def connect_appender(url: URL) -> aiosqlite.Connection:
    """Make a connection apart from the engine's."""
    # A statement for each number of rows: the 128 that are kept by default would take 20 MiB in time.
    connect = partial(connect_sqlite, url, cache=APPENDER_CACHE, cached_statements=4)
    return await aiosqlite.Connection(connect, iter_chunk_size=64)


def sqlite_engine(url: URL) -> Engine:
    return create_engine(
        url.set(drivername="sqlite"),
        creator=partial(connect_sqlite, url),
        # Whoever asks for a connection keeps it.
        poolclass=NullPool,
        # They are what people wrote, and errors go to the log.
        hide_parameters=True,
    )


def connect_sqlite(url: URL, *, cache: int = CACHE, **options: Any) -> sqlite3.Connection:
    """Open a connection, and set it up; it may be used by one thread after the other.

    Args:
        cache: KiB of its page cache.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    [[name], asked] = SQLiteDialect_pysqlite().create_connect_args(url.set(drivername="sqlite"))
    settings: dict[str, Any] = {"timeout": BUSY_TIMEOUT, **asked, **options}
    # isolation_level=None: the driver must not begin transactions by itself, `SQLiteTransactions` does.
    settings |= {"isolation_level": None, "check_same_thread": False}
    connection: sqlite3.Connection = sqlite3.connect(name, **settings)
    try:
        switch_to_wal(connection)
        for pragma in (*PRAGMAS, f"PRAGMA cache_size=-{cache}"):
            connection.execute(pragma)
        # SQLite's own lower() knows only ASCII; search must find "Über" by "über" on both databases.
        connection.create_function("lower", 1, lower, deterministic=True)
    except BaseException:
        connection.close()
        raise
    return connection


def switch_to_wal(connection: sqlite3.Connection) -> None:
    # Of two processes that open a new file at once, one can be told "locked" here without any wait: SQLite
    # does not apply the busy timeout to every step of this switch, so it is applied here.
    [milliseconds] = connection.execute("PRAGMA busy_timeout").fetchone()
    deadline = time.monotonic() + milliseconds / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & PRIMARY_CODE != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(WAL_RETRY)
        else:
            return


def lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value
