"""The events of each conversation, numbered, for readers that follow and come back."""

from .channel import Channel, Entry, EventId
from .memory import MemoryLog

__all__ = ["Channel", "Entry", "EventId", "MemoryLog"]
