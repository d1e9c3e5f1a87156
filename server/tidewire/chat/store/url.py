"""The database's address: what people write, turned into what the engine needs."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from .errors import DatabaseUrlError

EXAMPLE: Final = "must look like sqlite:///file.db or postgresql://user@host/name"

# psycopg first: hosting providers' URLs carry libpq options such as sslmode, which asyncpg does not know.
POSTGRESQL_DRIVERS: Final[tuple[str, ...]] = ("psycopg", "asyncpg")

DRIVERS: Final[dict[str, tuple[str, ...]]] = {
    "sqlite": ("aiosqlite",),
    "postgresql": POSTGRESQL_DRIVERS,
    "postgres": POSTGRESQL_DRIVERS,
}

CONNECT_SECONDS: Final = 10
"""That a PostgreSQL server may take to accept a connection."""

SILENT_SECONDS: Final = 30
"""That its host may say nothing at all."""

INSTALL: Final = {
    "aiosqlite": "needs the package aiosqlite: pip install aiosqlite",
    "psycopg": 'needs the package psycopg: pip install "psycopg[binary]"',
    "asyncpg": "needs the package asyncpg: pip install asyncpg",
}


def parse_database_url(text: str) -> URL:
    """Read a database URL and choose the asynchronous driver.

    `sqlite:///relative.db`, `sqlite:////absolute.db`, `sqlite://` (in memory), `postgresql://…` and
    `postgres://…`, with or without the driver's name behind a plus.

    Raises:
        DatabaseUrlError: no such database or driver, or the driver's package is not installed.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Their text repeats the URL, and with it the password.
        raise DatabaseUrlError(EXAMPLE) from None
    backend, _, driver = url.drivername.partition("+")
    if backend not in DRIVERS:
        raise DatabaseUrlError(EXAMPLE)
    if driver and driver not in DRIVERS[backend]:
        raise DatabaseUrlError(f"must name no driver, or one of: {', '.join(DRIVERS[backend])}")
    candidates = (driver,) if driver else DRIVERS[backend]
    installed = next((name for name in candidates if find_spec(name)), None)
    if installed is None:
        raise DatabaseUrlError(INSTALL[candidates[0]])
    return url.set(drivername=f"{'sqlite' if backend == 'sqlite' else 'postgresql'}+{installed}")


def patience(url: URL) -> dict[str, Any]:
    """How long a driver waits for a PostgreSQL server that has become silent; the URL's own words come first.

    Without it a server that is cut off is waited for as long as the operating system likes: a quarter of an
    hour where something was sent, two hours where an answer is due.
    """
    if url.drivername == "postgresql+asyncpg":
        options: dict[str, Any] = {"timeout": CONNECT_SECONDS, "command_timeout": SILENT_SECONDS}
    else:
        # As libpq has them, which looks at the connection and not at how long a statement takes.
        options = {
            "connect_timeout": CONNECT_SECONDS,
            "keepalives_idle": SILENT_SECONDS // 2,
            "keepalives_interval": SILENT_SECONDS // 6,
            "keepalives_count": 3,
            "tcp_user_timeout": 1000 * SILENT_SECONDS,
        }
    return {name: value for name, value in options.items() if name not in url.query}


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def sqlite_file(url: URL) -> Path | None:
    """The file behind a SQLite URL; None for a database in memory, on a server, or behind a `file:` URI."""
    if not is_sqlite(url) or url.database in (None, "", ":memory:") or str(url.database).startswith("file:"):
        return None
    return Path(str(url.database))


def shown(url: URL) -> str:
    """The URL for logs and start-up lines: as people write it, with the password hidden."""
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)
