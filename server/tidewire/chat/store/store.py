"""The store: one database, opened and brought up to date."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self

from sqlalchemy.engine import URL

from .conversations import Conversations
from .database import Database
from .errors import NewerDatabaseError, StoreError
from .events import Events
from .messages import Messages
from .migrate import upgrade
from .servers import Servers
from .tool_runs import ToolRuns
from .url import parse_database_url, shown, sqlite_file


def utc_now() -> datetime:
    return datetime.now(UTC)


class Store:
    """All that is remembered, in one database."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self.servers: Servers = database.servers
        self.conversations: Conversations = Conversations(database, clock)
        self.messages: Messages = Messages(database, clock)
        self.events: Events = Events(database)
        self.tool_runs: ToolRuns = ToolRuns(database, clock)

    @classmethod
    async def open(cls, database_url: str, *, clock: Callable[[], datetime] = utc_now) -> Self:
        """Connect, and bring the tables up to date; makes a missing SQLite file and its folder.

        Raises:
            DatabaseUrlError: the URL is of no use.
            NewerDatabaseError: a newer version has written the database.
            StoreError: it cannot be opened; this sentence has the reason and is not for clients.
        """
        url = parse_database_url(database_url)
        database = Database.connect(url)
        try:
            make_file(url)
            await database.write(upgrade)
        except BaseException as error:
            await database.close()
            if isinstance(error, NewerDatabaseError) or not isinstance(error, (StoreError, OSError)):
                raise
            raise StoreError(f"The database {shown(url)} cannot be opened: {reason(error)}.") from error
        return cls(database, clock)

    async def close(self) -> None:
        """Wait for running transactions, then close all connections; later calls raise `StoreError`."""
        await self._database.close()


async def upgrade_database(database_url: str) -> None:
    """Bring a database up to date, making a missing one, without keeping it open.

    Raises:
        DatabaseUrlError, NewerDatabaseError, StoreError: as `Store.open`.
    """
    store = await Store.open(database_url)
    await store.close()


def make_file(url: URL) -> None:
    """Make a missing SQLite file and its folder.

    What cannot be opened is found here, in this thread: aiosqlite's own reports it after the
    event loop may have closed.

    Raises:
        StoreError, OSError: it cannot be opened.
    """
    if file := sqlite_file(url):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            sqlite3.connect(file).close()
        except sqlite3.Error as error:
            raise StoreError("The file cannot be opened.") from error


def reason(error: Exception) -> str:
    """The innermost cause in one line: the driver's own words, without SQLAlchemy's around them."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return " ".join(str(cause).split()).rstrip(".")
