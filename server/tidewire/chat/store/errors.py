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


class DuplicateClientMessageError(Exception):
    """The conversation already holds a message with this client message id."""


class BadCursorError(ValueError):
    """The cursor is not one that this list gave out."""
