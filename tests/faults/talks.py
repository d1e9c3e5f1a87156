"""Messages that stock clients send, and what they see of the answers, over as many servers as it takes."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.client import WAIT_SECONDS, StockClient, StockClientError


@dataclass
class Reading:
    """A message that a client has sent, and what it has seen of the answer."""

    message: str
    seen: list[Mapping[str, Any]] = field(default_factory=list)

    moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def has(self, kind: str) -> None:
        """Wait until an event of this type has been seen."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not any(event["data"]["type"] == kind for event in self.seen):
                self.moved.clear()
                await self.moved.wait()

    async def follow(self, client: StockClient, conversation: str) -> None:
        """Send it, and read to the end, however often the connection is lost."""
        input = {"conversationId": conversation, "message": self.message, "clientMessageId": self.message}
        while not self.seen:
            try:
                async with client.subscribe("conversations.streamMessage", input) as events:
                    async for event in events:
                        self.seen.append(event)
                        self.moved.set()
            except StockClientError as error:
                # Clients of 11.18 give up a call that they were about to send when the connection broke.
                if error.code is not None or self.seen:
                    raise


@dataclass
class Talk:
    """One conversation of one client, message after message."""

    client: StockClient
    id: str
    readings: list[Reading] = field(default_factory=list)
    reading: asyncio.Task[None] | None = None

    def say(self, message: str) -> None:
        """Send a message, and begin to read its answer."""
        self.readings.append(Reading(message))
        self.reading = asyncio.create_task(self.readings[-1].follow(self.client, self.id))

    async def give_up(self) -> None:
        """Stop reading, if the test has failed meanwhile."""
        if self.reading is not None and not self.reading.done():
            self.reading.cancel()
            await asyncio.wait([self.reading])

    async def answered(self) -> None:
        """Wait until the last answer has been read."""
        if self.reading is not None:
            await self.reading
