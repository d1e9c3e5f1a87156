"""Brings the tables up to date."""

from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select

from .errors import NewerDatabaseError

LOCATION: Final = "tidewire.chat.store:migrations"

UPGRADE_LOCK: Final = 0x71DE
"""Key of PostgreSQL's advisory lock; any number will do that nobody else uses on this database."""


def upgrade(connection: Connection) -> None:
    """Run the migrations that the database does not have yet, in the caller's transaction.

    Two processes may do this at once: the second waits, and finds nothing left to do.

    Raises:
        NewerDatabaseError: it has migrations that this version does not know.
    """
    # On SQLite the write transaction (BEGIN IMMEDIATE) is itself the lock; PostgreSQL needs one.
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(UPGRADE_LOCK)))
    config = Config()
    config.set_main_option("script_location", LOCATION)
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    applied = set(MigrationContext.configure(connection).get_current_heads())
    if unknown := applied - {script.revision for script in scripts.walk_revisions()}:
        raise NewerDatabaseError(
            f"The database has the tables of a newer version (revision {', '.join(sorted(unknown))}; "
            f"this one knows up to {scripts.get_current_head()}): "
            "install that version, or use another database."
        )
    if applied != set(scripts.get_heads()):
        command.upgrade(config, "head")
