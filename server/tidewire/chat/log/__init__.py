"""The events of each conversation, numbered and durable, for readers that follow and come back."""

from .channel import Channel, Follower, LogEndedError, LogFailingError, LogGapError, LogGivenUpError
from .entry import Entry, EventId
from .journal import Journal, Kept, Written
from .log import Log, LogLimits

__all__ = [
    "Channel",
    "Entry",
    "EventId",
    "Follower",
    "Journal",
    "Kept",
    "Log",
    "LogEndedError",
    "LogFailingError",
    "LogGapError",
    "LogGivenUpError",
    "LogLimits",
    "Written",
]
