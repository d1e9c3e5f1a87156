"""What keeps the log's entries: the one thing that differs between storages."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol, Self

import msgspec

from ..events import MessageEvent
from .entry import Entry, EventId

_encode: Final = msgspec.json.Encoder().encode


class Written(NamedTuple):
    """An entry as it is kept."""

    conversation_id: str
    number: int
    turn_id: str
    type: str
    """The event's tag."""
    payload: str
    """The event as JSON."""

    @classmethod
    def of(cls, conversation_id: str, number: int, turn_id: str, event: MessageEvent) -> Self:
        """Encode an event.

        Raises:
            TypeError, ValueError, RecursionError: it is not JSON.
        """
        tag = str(event.__struct_config__.tag)
        return cls(conversation_id, number, turn_id, tag, _encode(event).decode())


class Kept(NamedTuple):
    """A finished turn whose entries are still kept."""

    conversation_id: str
    last: int
    """The number of its last entry."""
    size: int
    """Of its payloads, in characters."""


class Journal(Protocol):
    """Keeps entries until they are trimmed. docs/adr/0005 tells how other storages fit.

    Every method raises `StoreError` when the storage fails.
    """

    async def position(self, conversation_id: str) -> EventId:
        """The id of the newest entry, whether still kept or not; number 0 before there is one."""
        ...

    async def positions(self, conversation_ids: Sequence[str]) -> dict[str, int]:
        """The number of the newest entry, whether still kept or not, of each conversation that exists."""
        ...

    async def write(self, entries: Sequence[Written]) -> None:
        """Keep entries for good, all or none; several conversations' at once, each one's in order."""
        ...

    async def read(self, conversation_id: str, after: int, *, limit: int, max_size: int) -> list[Entry]:
        """The first entries after a number that are still kept, in order.

        At most `limit`, and of `max_size` characters together; but one at least, if there is one.
        """
        ...

    async def before(self, conversation_id: str, turn_id: str) -> EventId | None:
        """Where a turn begins: the id before its first entry; None if that is no longer kept."""
        ...

    async def turn(self, conversation_id: str, turn_id: str) -> list[Entry]:
        """All entries of a turn that are still kept, in order."""
        ...

    async def open_turns(self) -> list[tuple[str, str]]:
        """The conversation and turn of every turn whose entries do not end with its `complete`."""
        ...

    async def delete(self, conversation_id: str) -> None:
        """Forget a conversation that was deleted."""
        ...

    async def kept(self) -> list[Kept]:
        """All finished turns with entries, the oldest of a conversation first."""
        ...

    async def trim(self, turns: Sequence[Kept]) -> None:
        """Delete the entries of each conversation up to a turn's last one, never their numbers."""
        ...
