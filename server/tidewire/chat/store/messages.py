"""Messages in the database."""

from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import accumulate
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from sqlalchemy import (
    Connection,
    Integer,
    RowMapping,
    Select,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)

from ..log.entry import EventId
from ..models import Message, TextPart
from .database import Database
from .errors import (
    ConversationBusyError,
    ConversationGoneError,
    DuplicateClientMessageError,
    MessageGoneError,
)
from .events import newest_id
from .pages import Page, decode_cursor, encode_cursor
from .sent_ids import enter, move, turn_sent_as
from .tables import conversations, events, messages

# What fits a database's integer; a larger one would not even reach it.
Seq = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
CURSOR: Final = msgspec.json.Decoder(Seq)

SAVED: Final = ("status", "content", "parts", "finish_reason", "usage", "error")
"""What changes of a message while its turn runs."""

# Statements are made once: to make one takes three times as long as to run it.
_OF: Final = messages.c.conversation_id == bindparam("of")
_NEWEST: Final = (
    select(messages).where(_OF).order_by(messages.c.seq.desc()).limit(bindparam("limit", type_=Integer))
)
_BEFORE: Final = _NEWEST.where(messages.c.seq < bindparam("before"))
_TURN: Final = select(messages).where(messages.c.turn_id == bindparam("turn")).order_by(messages.c.seq)
_SIZES: Final = _NEWEST.with_only_columns(func.length(messages.c.parts))
_INSERT: Final = insert(messages)
_SAVE: Final = (
    update(messages)
    .where(messages.c.id == bindparam("message"))
    .values({name: bindparam(f"new_{name}") for name in SAVED})
)
_CONVERSATION: Final = update(conversations).where(conversations.c.id == bindparam("of"))
_TOUCH: Final = _CONVERSATION.values(updated_at=bindparam("now"))
_TOUCH_OWN: Final = _TOUCH.where(conversations.c.owner == bindparam("by"))
_TITLE: Final = _CONVERSATION.where(conversations.c.title.is_(None)).values(title=bindparam("new_title"))
_STREAMING: Final = (
    select(messages.c.turn_id).where(_OF, messages.c.status == "streaming").limit(literal_column("1"))
)
_LAST_EVENT: Final = (
    select(events.c.turn_id, events.c.type)
    .where(events.c.conversation_id == bindparam("of"))
    .order_by(events.c.number.desc())
    .limit(literal_column("1"))
)


class Begun(NamedTuple):
    """A turn that has just been stored."""

    user: Message
    position: EventId
    """The conversation's newest event."""
    is_titled: bool = False
    """Whether its conversation got its title by it."""


class Messages:
    """They are as old as their order in the list, whatever `created_at` says.

    They belong to their conversation's owner: ask `Conversations.get` before showing any. What begins a turn
    asks by itself, for that is a transaction less before each answer.
    Every method raises `StoreError` when the database fails.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def begin_turn(self, owner: str, user: Message, answer: Message, title: str | None = None) -> Begun:
        """Store a question and the answer that is about to be written, both or none.

        Args:
            title: what the conversation is called from now on, unless it has a title.

        Raises:
            ConversationGoneError: the owner has no such conversation.
            ConversationBusyError: a turn is under way in it, or its last one has not said `complete`.
            DuplicateClientMessageError: the question's `client_message_id` was used in it before.
        """
        return await self._database.write(_begin_turn, owner, user, answer, title, self._clock())

    async def begin_again(self, owner: str, message_id: str, text: str | None, answer: Message) -> Begun:
        """Store an answer that is about to be written instead of an earlier one.

        Args:
            message_id: the question's, or its earlier answer's. All that came after the question is deleted.
            text: what the question says from now on, if that changes.

        Raises:
            ConversationGoneError, ConversationBusyError, DuplicateClientMessageError: as `begin_turn`,
                for the answer's id.
            MessageGoneError: the conversation has no such message.
        """
        return await self._database.write(_begin_again, owner, message_id, text, answer, self._clock())

    async def save(self, message: Message) -> bool:
        """Store what a turn changes of a message; False if it is gone with its conversation."""
        return await self._database.write(_save, message, self._clock())

    async def turn_sent_as(self, conversation_id: str, client_message_id: str) -> str | None:
        """The turn that a client began under this id; None if it began none.

        It has no messages any more if another answer has taken its answer's place, or was given to an
        earlier message.
        """
        return await self._database.read(turn_sent_as, conversation_id, client_message_id)

    async def turn(self, turn_id: str) -> list[Message]:
        """The messages of one turn, oldest first; empty if there is none."""
        return [message for _, message in await self._database.read(_all, _TURN, {"turn": turn_id})]

    async def page(self, conversation_id: str, *, limit: int, cursor: str | None = None) -> Page[Message]:
        """The newest `limit` messages, or those before `cursor`; oldest first within the page.

        Raises:
            BadCursorError: `cursor` is not a `next_cursor` of this method.
        """
        before = None if cursor is None else decode_cursor(cursor, CURSOR)
        values = {"of": conversation_id, "limit": limit + 1}
        if before is None:
            found = await self._database.read(_all, _NEWEST, values)
        else:
            found = await self._database.read(_all, _BEFORE, {**values, "before": before})
        found.reverse()
        if len(found) <= limit:
            return Page(items=[message for _, message in found])
        kept = found[1:]
        return Page(items=[message for _, message in kept], next_cursor=encode_cursor(kept[0][0]))

    async def fitting(self, conversation_id: str, *, limit: int, max_size: int) -> int:
        """How many of the newest `limit` messages have `max_size` characters together; one at least."""
        return await self._database.read(_fitting, conversation_id, limit, max_size)

    async def history(self, conversation_id: str, *, limit: int) -> list[Message]:
        """The newest `limit` messages, oldest first, whatever their status."""
        found = await self._database.read(_all, _NEWEST, {"of": conversation_id, "limit": limit})
        return [message for _, message in reversed(found)]

    async def turn_under_way(self, conversation_id: str) -> str | None:
        """The turn whose answer is being written, or whose last event is not yet `complete`."""
        return await self._database.read(turn_under_way, conversation_id)

    async def streaming_turns(self) -> list[tuple[str, str]]:
        """The conversation and turn of every answer that is being written."""
        return await self._database.read(_streaming_turns)


def _fitting(connection: Connection, conversation_id: str, limit: int, max_size: int) -> int:
    sizes: Iterable[int] = connection.scalars(_SIZES, {"of": conversation_id, "limit": limit})
    return max(1, sum(size <= max_size for size in accumulate(sizes)))


def _message(row: RowMapping) -> tuple[int, Message]:
    fields: dict[str, Any] = {str(name): value for name, value in row.items()}
    return fields.pop("seq"), Message(**fields)


def _all(connection: Connection, query: Select[Any], values: dict[str, Any]) -> list[tuple[int, Message]]:
    return [_message(row) for row in connection.execute(query, values).mappings()]


def _touch(connection: Connection, conversation_id: str, now: datetime) -> bool:
    return connection.execute(_TOUCH, {"of": conversation_id, "now": now}).rowcount > 0


def _begin_turn(
    connection: Connection, owner: str, user: Message, answer: Message, title: str | None, now: datetime
) -> Begun:
    conversation_id = user.conversation_id
    _lock(connection, owner, conversation_id, user.client_message_id, now)
    connection.execute(_INSERT, [msgspec.structs.asdict(message) for message in (user, answer)])
    enter(connection, conversation_id, user.client_message_id, user.turn_id)
    is_titled = (
        title is not None
        and connection.execute(_TITLE, {"of": conversation_id, "new_title": title}).rowcount > 0
    )
    return Begun(user, newest_id(connection, conversation_id), is_titled)


def _begin_again(
    connection: Connection, owner: str, message_id: str, text: str | None, answer: Message, now: datetime
) -> Begun:
    _lock(connection, owner, answer.conversation_id, answer.client_message_id, now)
    seq, question = _question(connection, answer.conversation_id, message_id)
    changes: dict[str, Any] = {"turn_id": answer.turn_id}
    if text is not None:
        changes |= {"content": text, "parts": [TextPart(content=text)]}
    of_conversation = messages.c.conversation_id == answer.conversation_id
    connection.execute(delete(messages).where(of_conversation, messages.c.seq > seq))
    connection.execute(update(messages).where(messages.c.seq == seq).values(changes))
    connection.execute(_INSERT, [msgspec.structs.asdict(answer)])
    move(connection, answer.conversation_id, question.client_message_id, answer.turn_id)
    enter(connection, answer.conversation_id, answer.client_message_id, answer.turn_id)
    question = msgspec.structs.replace(question, **changes)
    return Begun(question, newest_id(connection, answer.conversation_id))


def _question(connection: Connection, conversation_id: str, message_id: str) -> tuple[int, Message]:
    """The question of the turn that a message belongs to."""
    turn = select(messages.c.turn_id).where(
        messages.c.conversation_id == conversation_id, messages.c.id == message_id
    )
    query = select(messages).where(messages.c.turn_id.in_(turn), messages.c.role == "user")
    row = connection.execute(query).mappings().first()
    if row is None:
        raise MessageGoneError("The conversation has no such message.")
    return _message(row)


def _lock(
    connection: Connection, owner: str, conversation_id: str, sent_as: str | None, now: datetime
) -> None:
    """Look whether a turn may begin, and keep others out of the conversation until the commit."""
    if connection.execute(_TOUCH_OWN, {"of": conversation_id, "by": owner, "now": now}).rowcount == 0:
        raise ConversationGoneError("The conversation does not exist.")
    if sent_as is not None and turn_sent_as(connection, conversation_id, sent_as) is not None:
        raise DuplicateClientMessageError
    if turn_id := turn_under_way(connection, conversation_id):
        raise ConversationBusyError(turn_id)


def turn_under_way(connection: Connection, conversation_id: str) -> str | None:
    """See `Messages.turn_under_way`."""
    # Two servers must never write into one log: not even the last event that is still on its way.
    if found := connection.scalar(_STREAMING, {"of": conversation_id}):
        return str(found)
    last = connection.execute(_LAST_EVENT, {"of": conversation_id}).first()
    return None if last is None or last.type == "complete" else str(last.turn_id)


def _save(connection: Connection, message: Message, now: datetime) -> bool:
    values = {f"new_{name}": getattr(message, name) for name in SAVED}
    if connection.execute(_SAVE, {"message": message.id, **values}).rowcount == 0:
        return False
    return _touch(connection, message.conversation_id, now)


def _streaming_turns(connection: Connection) -> list[tuple[str, str]]:
    query = select(messages.c.conversation_id, messages.c.turn_id).where(messages.c.status == "streaming")
    return [(row.conversation_id, row.turn_id) for row in connection.execute(query)]
