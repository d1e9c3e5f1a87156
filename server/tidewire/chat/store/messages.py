"""Messages in the database."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from sqlalchemy import Connection, RowMapping, Select, insert, select, update

from ..models import Message
from .database import Database
from .errors import ConversationGoneError, DuplicateClientMessageError
from .pages import Page, decode_cursor, encode_cursor
from .tables import conversations, messages

# What fits a database's integer; a larger one would not even reach it.
Seq = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
CURSOR: Final = msgspec.json.Decoder(Seq)

SAVED: Final = ("status", "content", "parts", "finish_reason", "usage", "error")
"""What changes of a message while its turn runs."""


class Messages:
    """They are as old as their order in the list, whatever `created_at` says.

    They belong to their conversation's owner: ask `Conversations.get` before showing any.
    Every method raises `StoreError` when the database fails.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def begin_turn(self, user: Message, answer: Message) -> None:
        """Store a question and the answer that is about to be written, both or none.

        Raises:
            ConversationGoneError: there is no such conversation.
            DuplicateClientMessageError: it already has a message with the question's `client_message_id`.
        """
        await self._database.write(_begin_turn, user, answer, self._clock())

    async def save(self, message: Message) -> bool:
        """Store what a turn changes of a message; False if it is gone with its conversation."""
        return await self._database.write(_save, message, self._clock())

    async def by_client_message_id(self, conversation_id: str, client_message_id: str) -> Message | None:
        """The user's message that a client sent under this id, or None."""
        found = await self._database.read(_by_client_message_id, conversation_id, client_message_id)
        return found[1] if found else None

    async def turn(self, turn_id: str) -> list[Message]:
        """The messages of one turn, oldest first; empty if there is none."""
        query = select(messages).where(messages.c.turn_id == turn_id).order_by(messages.c.seq)
        return [message for _, message in await self._database.read(_all, query)]

    async def page(self, conversation_id: str, *, limit: int, cursor: str | None = None) -> Page[Message]:
        """The newest `limit` messages, or those before `cursor`; oldest first within the page.

        Raises:
            BadCursorError: `cursor` is not a `next_cursor` of this method.
        """
        before = None if cursor is None else decode_cursor(cursor, CURSOR)
        found = await self._database.read(_all, _newest(conversation_id, limit + 1, before))
        found.reverse()
        if len(found) <= limit:
            return Page(items=[message for _, message in found])
        kept = found[1:]
        return Page(items=[message for _, message in kept], next_cursor=encode_cursor(kept[0][0]))

    async def history(self, conversation_id: str, *, limit: int) -> list[Message]:
        """The newest `limit` messages, oldest first, whatever their status."""
        found = await self._database.read(_all, _newest(conversation_id, limit, None))
        return [message for _, message in reversed(found)]

    async def interrupt_streaming(self) -> int:
        """Mark every message that is still streaming as interrupted; gives their number.

        For the start, when no turn can be running.
        """
        return await self._database.write(_interrupt_streaming)


def _newest(conversation_id: str, limit: int, before: int | None) -> Select[Any]:
    query = select(messages).where(messages.c.conversation_id == conversation_id)
    if before is not None:
        query = query.where(messages.c.seq < before)
    return query.order_by(messages.c.seq.desc()).limit(limit)


def _message(row: RowMapping) -> tuple[int, Message]:
    fields: dict[str, Any] = {str(name): value for name, value in row.items()}
    return fields.pop("seq"), Message(**fields)


def _all(connection: Connection, query: Select[Any]) -> list[tuple[int, Message]]:
    return [_message(row) for row in connection.execute(query).mappings()]


def _by_client_message_id(
    connection: Connection, conversation_id: str, client_message_id: str
) -> tuple[int, Message] | None:
    query = select(messages).where(
        messages.c.conversation_id == conversation_id, messages.c.client_message_id == client_message_id
    )
    row = connection.execute(query).mappings().first()
    return _message(row) if row else None


def _touch(connection: Connection, conversation_id: str, now: datetime) -> bool:
    change = update(conversations).where(conversations.c.id == conversation_id).values(updated_at=now)
    return connection.execute(change).rowcount > 0


def _begin_turn(connection: Connection, user: Message, answer: Message, now: datetime) -> None:
    # The touched row is locked until the commit, so no other turn comes between the look and the insert.
    if not _touch(connection, user.conversation_id, now):
        raise ConversationGoneError("The conversation does not exist.")
    sent_as = user.client_message_id
    if sent_as is not None and _by_client_message_id(connection, user.conversation_id, sent_as):
        raise DuplicateClientMessageError
    connection.execute(insert(messages), [msgspec.structs.asdict(message) for message in (user, answer)])


def _save(connection: Connection, message: Message, now: datetime) -> bool:
    values = {name: getattr(message, name) for name in SAVED}
    change = update(messages).where(messages.c.id == message.id).values(values)
    if connection.execute(change).rowcount == 0:
        return False
    return _touch(connection, message.conversation_id, now)


def _interrupt_streaming(connection: Connection) -> int:
    streaming = messages.c.status == "streaming"
    return connection.execute(update(messages).where(streaming).values(status="interrupted")).rowcount
