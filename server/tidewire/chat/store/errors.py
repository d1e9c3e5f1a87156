"""What can go wrong with the store, in types that need no knowledge of the database."""


class StoreError(Exception):
    """The database failed: locked, full, unreachable, closed. The text is safe for clients."""


class NewerDatabaseError(StoreError):
    """The database was written by a newer version, whose tables this one does not know."""


class DatabaseUrlError(ValueError):
    """The database's address is not one that the store can use; never repeats the address."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The database URL {reason}.")
        self.reason = reason
        """The sentence without subject and full stop, for a text that names the variable."""


class ConversationGoneError(LookupError):
    """The conversation does not exist, or no longer does."""


class MessageGoneError(LookupError):
    """The message does not exist in this conversation, or no longer does."""


class ConversationBusyError(Exception):
    """A turn is under way in the conversation, on whatever server."""

    def __init__(self, turn_id: str) -> None:
        super().__init__(f"Turn {turn_id} is under way in the conversation.")
        self.turn_id = turn_id


class DuplicateClientMessageError(Exception):
    """This client message id was used in the conversation before."""


class BadCursorError(ValueError):
    """The cursor is not one that this list gave out."""


class NullCharacterError(ValueError):
    """A text that is looked for or to be stored holds a null character, which PostgreSQL does not take."""
