"""Conversations in the database."""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from sqlalchemy import Connection, Row, Select, bindparam, delete, exists, insert, or_, select, tuple_, update

from ..models import Conversation
from .database import Database
from .errors import ConversationBusyError
from .messages import turn_under_way
from .pages import Page, decode_cursor, encode_cursor
from .tables import conversations, events, messages

Aware = Annotated[datetime, msgspec.Meta(tz=True)]
CURSOR: Final = msgspec.json.Decoder(tuple[Aware, str])
KEY: Final = (conversations.c.updated_at, conversations.c.id)

# Made once: to make a statement takes three times as long as to run it.
_INSERT: Final = insert(conversations)
_GET: Final = select(conversations).where(
    conversations.c.id == bindparam("of"), conversations.c.owner == bindparam("by")
)
_EXISTS: Final = select(conversations.c.id).where(conversations.c.id == bindparam("of"))


class Conversations:
    """Each belongs to an owner; to another it does not exist.

    Every method raises `StoreError` when the database fails.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def create(self, owner: str, title: str | None = None) -> Conversation:
        """Store a new, empty conversation."""
        now = self._clock()
        conversation = Conversation(id=uuid.uuid4().hex, title=title, created_at=now, updated_at=now)
        await self._database.write(_insert, owner, conversation)
        return conversation

    async def get(self, owner: str, conversation_id: str) -> Conversation | None:
        """One conversation, or None."""
        return await self._database.read(_get, owner, conversation_id)

    async def exists(self, conversation_id: str) -> bool:
        """Whether anybody has it."""
        return await self._database.read(_exists, conversation_id)

    async def page(
        self, owner: str, *, limit: int, cursor: str | None = None, search: str | None = None
    ) -> Page[Conversation]:
        """The owner's conversations, the last written in first.

        `search` keeps those whose title or one of whose messages contains it, whatever the case; nothing
        in it is a wildcard. A conversation that is written in moves to the front, past any cursor.

        Raises:
            BadCursorError: `cursor` is not a `next_cursor` of this method.
        """
        query = select(conversations).where(conversations.c.owner == owner)
        if search:
            query = query.where(_contains(search))
        if cursor is not None:
            query = query.where(tuple_(*KEY) < decode_cursor(cursor, CURSOR))
        query = query.order_by(*(column.desc() for column in KEY)).limit(limit + 1)
        found = await self._database.read(_all, query)
        if len(found) <= limit:
            return Page(items=found)
        last = found[limit - 1]
        return Page(items=found[:limit], next_cursor=encode_cursor((last.updated_at, last.id)))

    async def rename(self, owner: str, conversation_id: str, title: str | None) -> Conversation | None:
        """Set the title; gives the conversation as it is now, or None."""
        return await self._database.write(_rename, owner, conversation_id, title, self._clock())

    async def delete(self, owner: str, conversation_id: str, turn_id: str | None = None) -> bool:
        """Delete it with all its messages; False if there was none.

        Args:
            turn_id: the turn that may be under way in it.

        Raises:
            ConversationBusyError: another turn is.
        """
        return await self._database.write(_delete, owner, conversation_id, turn_id)


def _owned(owner: str, conversation_id: str) -> tuple[Any, ...]:
    return conversations.c.id == conversation_id, conversations.c.owner == owner


def _contains(search: str) -> Any:
    in_messages = exists().where(
        messages.c.conversation_id == conversations.c.id,
        messages.c.content.icontains(search, autoescape=True),
    )
    return or_(conversations.c.title.icontains(search, autoescape=True), in_messages)


def _conversation(row: Row[Any]) -> Conversation:
    return Conversation(id=row.id, title=row.title, created_at=row.created_at, updated_at=row.updated_at)


def _all(connection: Connection, query: Select[Any]) -> list[Conversation]:
    return [_conversation(row) for row in connection.execute(query)]


def _get(connection: Connection, owner: str, conversation_id: str) -> Conversation | None:
    row = connection.execute(_GET, {"of": conversation_id, "by": owner}).first()
    return _conversation(row) if row else None


def _exists(connection: Connection, conversation_id: str) -> bool:
    return connection.execute(_EXISTS, {"of": conversation_id}).first() is not None


def _insert(connection: Connection, owner: str, conversation: Conversation) -> None:
    connection.execute(_INSERT, {"owner": owner, **msgspec.structs.asdict(conversation)})


def _rename(
    connection: Connection, owner: str, conversation_id: str, title: str | None, now: datetime
) -> Conversation | None:
    change = update(conversations).where(*_owned(owner, conversation_id)).values(title=title, updated_at=now)
    row = connection.execute(change.returning(conversations)).first()
    return _conversation(row) if row else None


def _delete(connection: Connection, owner: str, conversation_id: str, turn_id: str | None) -> bool:
    # No turn can begin from here on.
    query = select(conversations.c.id).where(*_owned(owner, conversation_id)).with_for_update()
    if connection.execute(query).first() is None:
        return False
    under_way = turn_under_way(connection, conversation_id)
    if under_way is not None and under_way != turn_id:
        raise ConversationBusyError(under_way)
    connection.execute(delete(conversations).where(conversations.c.id == conversation_id))
    connection.execute(delete(events).where(events.c.conversation_id == conversation_id))
    return True
