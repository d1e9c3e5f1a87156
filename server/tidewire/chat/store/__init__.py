"""What the chat server remembers: conversations and messages in a SQL database."""

from .conversations import Conversations
from .errors import (
    BadCursorError,
    ConversationGoneError,
    DatabaseUrlError,
    DuplicateClientMessageError,
    NewerDatabaseError,
    StoreError,
)
from .messages import Messages
from .pages import Page
from .store import Store, upgrade_database

__all__ = [
    "BadCursorError",
    "ConversationGoneError",
    "Conversations",
    "DatabaseUrlError",
    "DuplicateClientMessageError",
    "Messages",
    "NewerDatabaseError",
    "Page",
    "Store",
    "StoreError",
    "upgrade_database",
]
