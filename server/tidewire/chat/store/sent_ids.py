"""What clients have sent, by their own ids: kept also when the message, or its answer, is gone."""

from typing import Any

from sqlalchemy import Connection, insert, select, update

from .tables import sent_ids


def turn_sent_as(connection: Connection, conversation_id: str, client_message_id: str) -> str | None:
    """The turn that answers what a client sent under an id; None if it sent nothing."""
    query = select(sent_ids.c.turn_id).where(*_key(conversation_id, client_message_id))
    turn_id: str | None = connection.scalar(query)
    return turn_id


def enter(connection: Connection, conversation_id: str, client_message_id: str | None, turn_id: str) -> None:
    """Write down that a turn was begun under an id, if it has one."""
    if client_message_id is not None:
        row = {
            "conversation_id": conversation_id,
            "client_message_id": client_message_id,
            "turn_id": turn_id,
        }
        connection.execute(insert(sent_ids).values(row))


def move(connection: Connection, conversation_id: str, client_message_id: str | None, turn_id: str) -> None:
    """Write down that another turn answers what was sent under an id."""
    if client_message_id is not None:
        change = update(sent_ids).where(*_key(conversation_id, client_message_id))
        connection.execute(change.values(turn_id=turn_id))


def _key(conversation_id: str, client_message_id: str) -> tuple[Any, ...]:
    return sent_ids.c.conversation_id == conversation_id, sent_ids.c.client_message_id == client_message_id
