"""What the chat server remembers: conversations and messages in a SQL database."""

from .conversations import Conversations
from .errors import (
    BadCursorError,
    ConversationBusyError,
    ConversationGoneError,
    DatabaseUrlError,
    DuplicateClientMessageError,
    MessageGoneError,
    NewerDatabaseError,
    NullCharacterError,
    StoreError,
)
from .events import Events
from .messages import Begun, Messages
from .pages import Page
from .store import Store, upgrade_database
from .tool_runs import ToolRuns

__all__ = [
    "BadCursorError",
    "Begun",
    "ConversationBusyError",
    "ConversationGoneError",
    "Conversations",
    "DatabaseUrlError",
    "DuplicateClientMessageError",
    "Events",
    "MessageGoneError",
    "Messages",
    "NewerDatabaseError",
    "NullCharacterError",
    "Page",
    "Store",
    "StoreError",
    "ToolRuns",
    "upgrade_database",
]
