"""The conversation log's entries in the database."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Integer, bindparam, case, delete, func, select, update

from ..events import MessageEvent
from ..log.entry import Entry, EventId
from ..log.journal import Kept, Written
from .database import Database
from .tables import conversations, events

EPOCH_LENGTH: Final = 8

MAX_VARIABLES: Final = 500
"""Of one statement; older builds of SQLite take 999."""

_decode: Final = msgspec.json.Decoder(MessageEvent).decode

# Statements are made once: to make one takes three times as long as to run it.
_OF: Final = events.c.conversation_id == bindparam("of")
_NEWEST: Final = select(func.max(events.c.number)).where(_OF)
_TRIMMED: Final = select(conversations.c.last_event).where(conversations.c.id == bindparam("of"))
_ROW: Final = select(events.c.number, events.c.turn_id, events.c.payload)
_TURN: Final = _ROW.where(_OF, events.c.turn_id == bindparam("turn")).order_by(events.c.number)
_FIRST: Final = select(func.min(events.c.number)).where(_OF, events.c.turn_id == bindparam("turn"))
_DELETE: Final = delete(events).where(_OF)
_DELETE_UP_TO: Final = delete(events).where(_OF, events.c.number <= bindparam("upto"))
_NOTE_TRIMMED: Final = (
    update(conversations)
    .where(conversations.c.id == bindparam("of"), conversations.c.last_event < bindparam("upto"))
    .values(last_event=bindparam("upto"))
)


def _page() -> Any:
    """So many entries after a number, up to a size."""
    first = (
        _ROW.where(_OF, events.c.number > bindparam("after"))
        .order_by(events.c.number)
        .limit(bindparam("limit", type_=Integer))
        .subquery()
    )
    size = func.length(first.c.payload)
    before = (func.sum(size).over(order_by=first.c.number) - size).label("before")
    sized = select(first, before).subquery()
    fits = sized.c.before < bindparam("size")
    return select(sized.c.number, sized.c.turn_id, sized.c.payload).where(fits).order_by(sized.c.number)


_PAGE: Final = _page()


class Events:
    """The journal of the log.

    A conversation's numbers go on for as long as it exists: the highest one that was trimmed is kept
    with it. So its id can name the epoch.

    Every method raises `StoreError` when the database fails.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def position(self, conversation_id: str) -> EventId:
        """See `Journal`; number 0 also for a conversation that is gone."""
        return await self._database.read(newest_id, conversation_id)

    async def write(self, entries: Sequence[Written]) -> None:
        """See `Journal`."""
        await self._database.append(events, entries)

    async def positions(self, conversation_ids: Sequence[str]) -> dict[str, int]:
        """See `Journal`."""
        return await self._database.read(_positions, conversation_ids)

    async def read(self, conversation_id: str, after: int, *, limit: int, max_size: int) -> list[Entry]:
        """See `Journal`."""
        rows = await self._database.read(_read, conversation_id, after, limit, max_size)
        return _entries(conversation_id, rows)

    async def before(self, conversation_id: str, turn_id: str) -> EventId | None:
        """Where a turn begins: the id before its first entry; None if that is no longer kept."""
        first = await self._database.read(_first, conversation_id, turn_id)
        return None if first is None else EventId(_epoch(conversation_id), first - 1)

    async def kept(self) -> list[Kept]:
        """See `Journal`."""
        return await self._database.read(_kept)

    async def trim(self, turns: Sequence[Kept]) -> None:
        """See `Journal`."""
        await self._database.write(_trim, turns)

    async def delete(self, conversation_id: str) -> None:
        """Forget a conversation that was deleted."""
        await self._database.write(_delete, conversation_id)

    async def open_turns(self) -> list[tuple[str, str]]:
        """The conversation and turn of every turn whose entries do not end with its `complete`."""
        return await self._database.read(_open_turns)

    async def turn(self, conversation_id: str, turn_id: str) -> list[Entry]:
        """All entries of a turn that are kept, in order."""
        return _entries(conversation_id, await self._database.read(_turn, conversation_id, turn_id))

    async def delete_orphans(self) -> None:
        """Forget conversations that were deleted while the server ended."""
        await self._database.write(_delete_orphans)


def _epoch(conversation_id: str) -> str:
    return conversation_id[:EPOCH_LENGTH]


def _entries(conversation_id: str, rows: Iterable[Any]) -> list[Entry]:
    epoch = _epoch(conversation_id)
    return [
        Entry.at(EventId(epoch, number), turn_id, _decode(payload), len(payload))
        for number, turn_id, payload in rows
    ]


def newest_id(connection: Connection, conversation_id: str) -> EventId:
    """The id of a conversation's newest event, whether still kept or not; number 0 before there is one."""
    newest: int | None = connection.scalar(_NEWEST, {"of": conversation_id})
    if newest is None:
        trimmed: int | None = connection.scalar(_TRIMMED, {"of": conversation_id})
        newest = trimmed or 0
    return EventId(_epoch(conversation_id), newest)


def _positions(connection: Connection, conversation_ids: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    newest = select(func.max(events.c.number)).where(events.c.conversation_id == conversations.c.id)
    number = func.coalesce(newest.scalar_subquery(), conversations.c.last_event)
    for start in range(0, len(conversation_ids), MAX_VARIABLES):
        some = conversation_ids[start : start + MAX_VARIABLES]
        query = select(conversations.c.id, number).where(conversations.c.id.in_(some))
        found |= {row[0]: row[1] for row in connection.execute(query)}
    return found


def _read(
    connection: Connection, conversation_id: str, after: int, limit: int, max_size: int
) -> Sequence[Any]:
    values = {"of": conversation_id, "after": after, "limit": limit, "size": max(max_size, 1)}
    return connection.execute(_PAGE, values).all()


def _turn(connection: Connection, conversation_id: str, turn_id: str) -> Sequence[Any]:
    return connection.execute(_TURN, {"of": conversation_id, "turn": turn_id}).all()


def _first(connection: Connection, conversation_id: str, turn_id: str) -> int | None:
    first: int | None = connection.scalar(_FIRST, {"of": conversation_id, "turn": turn_id})
    return first


# A sum of comparisons is a number in SQLite only.
_ENDS: Final = func.sum(case((events.c.type == "complete", 1), else_=0))


def _kept(connection: Connection) -> list[Kept]:
    last = func.max(events.c.number)
    query = select(events.c.conversation_id, last, func.sum(func.length(events.c.payload))).group_by(
        events.c.conversation_id, events.c.turn_id
    )
    finished = query.having(_ENDS > 0).order_by(events.c.conversation_id, last)
    return [Kept(*row) for row in connection.execute(finished)]


def _open_turns(connection: Connection) -> list[tuple[str, str]]:
    query = select(events.c.conversation_id, events.c.turn_id).group_by(
        events.c.conversation_id, events.c.turn_id
    )
    unfinished = query.having(_ENDS == 0)
    return [(row.conversation_id, row.turn_id) for row in connection.execute(unfinished)]


def _trim(connection: Connection, turns: Sequence[Kept]) -> None:
    # Of each conversation the newest one says it all.
    last = {turn.conversation_id: turn.last for turn in sorted(turns, key=lambda turn: turn.last)}
    rows = [{"of": conversation_id, "upto": number} for conversation_id, number in last.items()]
    connection.execute(_DELETE_UP_TO, rows)
    connection.execute(_NOTE_TRIMMED, rows)


def _delete(connection: Connection, conversation_id: str) -> None:
    connection.execute(_DELETE, {"of": conversation_id})


def _delete_orphans(connection: Connection) -> None:
    connection.execute(delete(events).where(events.c.conversation_id.not_in(select(conversations.c.id))))
