"""All conversations' channels, in this process's memory."""

import asyncio
from typing import Final

from .channel import Channel

RETENTION: Final = 60.0
"""Seconds that a conversation's events are kept after its last turn ended. It is what a browser
needs to come back from a lost network; later readers get a snapshot."""


class MemoryLog:
    """A channel for each conversation that was lately active.

    Args:
        retention: seconds a channel is kept once nothing is appended any more.
    """

    def __init__(self, retention: float = RETENTION) -> None:
        self._retention = retention
        self._channels: dict[str, Channel] = {}
        self._expiries: dict[str, asyncio.TimerHandle] = {}

    def find(self, conversation_id: str) -> Channel | None:
        """The conversation's channel, if it has one."""
        return self._channels.get(conversation_id)

    def open(self, conversation_id: str) -> Channel:
        """The conversation's channel, kept until `release`."""
        expiry = self._expiries.pop(conversation_id, None)
        if expiry is not None:
            expiry.cancel()
        return self._channels.setdefault(conversation_id, Channel())

    def release(self, conversation_id: str) -> None:
        """Say that a turn has ended; the channel is forgotten after the retention."""
        loop = asyncio.get_running_loop()
        self._expiries[conversation_id] = loop.call_later(self._retention, self._expire, conversation_id)

    def forget(self, conversation_id: str) -> None:
        """Drop the channel at once; who follows it keeps what it has."""
        expiry = self._expiries.pop(conversation_id, None)
        if expiry is not None:
            expiry.cancel()
        self._channels.pop(conversation_id, None)

    def close(self) -> None:
        """Forget everything."""
        for conversation_id in list(self._channels):
            self.forget(conversation_id)

    def _expire(self, conversation_id: str) -> None:
        del self._expiries[conversation_id]
        if self._channels[conversation_id].readers:
            self.release(conversation_id)
        else:
            del self._channels[conversation_id]
