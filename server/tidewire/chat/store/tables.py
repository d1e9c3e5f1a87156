"""The tables, and how Python values lie in them."""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from ..models import Failure, Part, Usage


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, stored as UTC with microseconds.

    A date rather than a count of microseconds: anyone with a SQL prompt can read it, and in UTC
    SQLite's text sorts as time does.
    """

    impl: Any = DateTime(timezone=True)
    cache_ok: bool | None = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A stored datetime must have a time zone.")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        # SQLite gives back what it was given without the zone; PostgreSQL in the session's zone.
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Encoded(TypeDecorator[Any]):
    """A msgspec type as JSON text; encoder and decoder are built once per column."""

    impl: Any = Text
    cache_ok: bool | None = True

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(kind)

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else self._encoder.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else self._decoder.decode(value)


# Every constraint needs a name that is the same everywhere, or a later migration could not drop it.
metadata: Final = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "fk": "%(table_name)s_%(column_0_name)s_fk",
        "uq": "%(table_name)s_%(column_0_N_name)s_uq",
    }
)

# Indexes are ascending: both databases walk them backwards for "newest first".
conversations: Final = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("title", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    # The highest number of an event that is no longer kept.
    Column("last_event", BigInteger, nullable=False, server_default="0"),
    Index("conversations_by_owner", "owner", "updated_at", "id"),
)

messages: Final = Table(
    "messages",
    metadata,
    # SQLite numbers rows by itself only in a column whose type is exactly INTEGER (64 bits wide there).
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False),
    Column("conversation_id", Text, ForeignKey(conversations.c.id, ondelete="CASCADE"), nullable=False),
    Column("turn_id", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("parts", Encoded(list[Part]), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("client_message_id", Text),
    Column("model", Text),
    Column("finish_reason", Text),
    Column("usage", Encoded(Usage)),
    Column("error", Encoded(Failure)),
    UniqueConstraint("id"),
    # `sent_ids` says more. But to drop this one SQLite would have to copy the table, and a server of an
    # older version, which a deploy lets go on for a while, knows no other.
    UniqueConstraint("conversation_id", "client_message_id"),
    Index("messages_by_conversation", "conversation_id", "seq"),
    Index("messages_by_turn", "turn_id"),
    Index("messages_by_status", "status"),
    # A number must not come back after its message was deleted: cursors point at it.
    sqlite_autoincrement=True,
)

sent_ids: Final = Table(
    "sent_ids",
    metadata,
    Column("conversation_id", Text, ForeignKey(conversations.c.id, ondelete="CASCADE"), primary_key=True),
    Column("client_message_id", Text, primary_key=True),
    # Whose messages may have been deleted, or given to another turn.
    Column("turn_id", Text, nullable=False),
    sqlite_with_rowid=False,
)

events: Final = Table(
    "events",
    metadata,
    # No foreign key: one deleted conversation must not fail what is written for all others with it.
    Column("conversation_id", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("turn_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("payload", Text, nullable=False),
    # The key is the table: what is read together lies together, and each entry is written once.
    sqlite_with_rowid=False,
)

tool_runs: Final = Table(
    "tool_runs",
    metadata,
    Column("turn_id", Text, primary_key=True),
    Column("tool_call_id", Text, primary_key=True),
    Column("conversation_id", Text, ForeignKey(conversations.c.id, ondelete="CASCADE"), nullable=False),
    Column("tool_name", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Index("tool_runs_by_conversation", "conversation_id"),
)
