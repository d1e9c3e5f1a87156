"""What clients have sent, by their own ids: kept also when the message, or its answer, is gone."""

from typing import Final

from sqlalchemy import Connection, bindparam, insert, select, update

from .tables import sent_ids

# Made once: to make a statement takes three times as long as to run it.
_KEY: Final = (
    sent_ids.c.conversation_id == bindparam("of"),
    sent_ids.c.client_message_id == bindparam("sent_as"),
)
_FIND: Final = select(sent_ids.c.turn_id).where(*_KEY)
_ENTER: Final = insert(sent_ids)
_MOVE: Final = update(sent_ids).where(*_KEY).values(turn_id=bindparam("turn"))


def turn_sent_as(connection: Connection, conversation_id: str, client_message_id: str) -> str | None:
    """The turn that answers what a client sent under an id; None if it sent nothing."""
    turn_id: str | None = connection.scalar(_FIND, {"of": conversation_id, "sent_as": client_message_id})
    return turn_id


def enter(connection: Connection, conversation_id: str, client_message_id: str | None, turn_id: str) -> None:
    """Write down that a turn was begun under an id, if it has one."""
    if client_message_id is not None:
        row = {
            "conversation_id": conversation_id,
            "client_message_id": client_message_id,
            "turn_id": turn_id,
        }
        connection.execute(_ENTER, row)


def move(connection: Connection, conversation_id: str, client_message_id: str | None, turn_id: str) -> None:
    """Write down that another turn answers what was sent under an id."""
    if client_message_id is not None:
        values = {"of": conversation_id, "sent_as": client_message_id, "turn": turn_id}
        connection.execute(_MOVE, values)
