"""Turns and their log on a database, with one conversation."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from tests.tidewire.chat.scripted import WAIT_SECONDS, ScriptedProvider
from tidewire import Tracked
from tidewire.chat.answering import AnswerSettings
from tidewire.chat.events import MessageEvent, TextDelta
from tidewire.chat.log import Log, LogLimits
from tidewire.chat.models import Message
from tidewire.chat.readers import Reading
from tidewire.chat.store import Store
from tidewire.chat.tools import Tool, Toolbox
from tidewire.chat.turn import TurnServices
from tidewire.chat.turns import Question, Turns

FORGETTING: Final = LogLimits(retention=0, trim_interval=1e9)
"""Forgets what has ended when it is told to, and not by the clock."""

Events = list[Tracked[MessageEvent]]


class House:
    """Turns on a database, with one conversation."""

    def __init__(
        self,
        store: Store,
        provider: ScriptedProvider,
        conversation_id: str,
        *,
        tools: Sequence[Tool[..., Any]] = (),
        limits: LogLimits = FORGETTING,
    ) -> None:
        self.store = store
        self.provider = provider
        self.conversation_id = conversation_id
        self.toolbox = Toolbox(tools)
        self.log = Log(store.events, limits)
        services = TurnServices(
            store=store,
            provider=provider,
            toolbox=self.toolbox,
            slots=asyncio.Semaphore(10),
            max_history_messages=20,
        )
        self.turns = Turns(services, self.log)

    def question(
        self,
        message: str | None = "Hello",
        client_message_id: str | None = None,
        again: str | None = None,
    ) -> Question:
        return Question(
            owner="ann",
            conversation_id=self.conversation_id,
            text=message,
            client_message_id=client_message_id,
            settings=AnswerSettings(model="scripted-1", tools=self.toolbox.specs()),
            again=again,
        )

    async def send(
        self, message: str = "Hello", client_message_id: str | None = None, after: str | None = None
    ) -> Reading:
        async with asyncio.timeout(WAIT_SECONDS):
            return await self.turns.stream(self.question(message, client_message_id), after)

    async def ask(
        self, message: str = "Hello", client_message_id: str | None = None, after: str | None = None
    ) -> Events:
        """Send, and read to the end."""
        return await read(await self.send(message, client_message_id, after))

    async def regenerate(
        self,
        message_id: str,
        client_message_id: str | None = None,
        *,
        message: str | None = None,
        after: str | None = None,
    ) -> AsyncIterator[Tracked[MessageEvent]]:
        async with asyncio.timeout(WAIT_SECONDS):
            return await self.turns.stream(self.question(message, client_message_id, message_id), after)

    async def at_gate(self) -> Reading:
        """Send into a provider that says something and then waits, and wait until it does."""
        events = await self.send()
        async with asyncio.timeout(WAIT_SECONDS):
            await self.provider.waiting.wait()
        return events

    async def messages(self) -> list[Message]:
        return await self.store.messages.history(self.conversation_id, limit=100)

    async def close(self, grace: float = 0) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            await self.turns.drain(grace)
            await self.log.close()


async def read(events: AsyncIterator[Tracked[MessageEvent]]) -> Events:
    async with asyncio.timeout(WAIT_SECONDS):
        return [event async for event in events]


def said(events: Events) -> str:
    return "".join(event.data.content for event in events if isinstance(event.data, TextDelta))
