"""What the tests of the store have in common."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

from tidewire.chat.models import Message


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = datetime(2030, 1, 2, 3, 4, 5, 678901, UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float = 1.0) -> None:
        self.now += timedelta(seconds=seconds)


class NewTurn(Protocol):
    def __call__(
        self, conversation_id: str, content: str = "hello", *, client_message_id: str | None = None
    ) -> tuple[Message, Message]: ...
