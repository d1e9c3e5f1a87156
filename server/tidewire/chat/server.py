"""The chat server's parts, from settings."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from .log import Log, LogLimits
from .providers import DemoProvider, OpenAIProvider, Provider
from .providers.openai import DEFAULT_BASE_URL
from .settings import Settings
from .store import Store, StoreError
from .tools import BUILTIN_TOOLS, Tool, Toolbox
from .turn import TurnServices
from .turns import Turns

logger: Final = logging.getLogger("tidewire.chat")


CLAIM_INTERVAL: Final = 0.5
"""Seconds between two attempts to take the database over from a server that is ending."""


class ChatServer:
    """What procedures work with. `store` and `turns` are there while `running`.

    Args:
        settings: see `Settings`.
        provider: answers, instead of the one that the settings choose.
        tools: what models may call.
    """

    store: Store
    turns: Turns

    def __init__(
        self,
        settings: Settings,
        *,
        provider: Provider | None = None,
        tools: Iterable[Tool[..., Any]] = BUILTIN_TOOLS,
    ) -> None:
        self.settings = settings
        self.provider: Provider = provider or choose_provider(settings)
        self.toolbox: Toolbox = Toolbox(tools, settings.tool_timeout)

    @property
    def description(self) -> str:
        """The provider and the database, for the start-up line."""
        provider = f"provider {self.provider.name} with model {self.provider.default_model}"
        return f"{provider}, database {self.settings.shown_database_url}"

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Open the database and bring it up to date; at the end let turns finish, then close all.

        Raises:
            StoreError: the database cannot be opened.
        """
        settings = self.settings
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.provider.close)
            self.store = await Store.open(settings.database_url)
            stack.push_async_callback(self.store.close)
            services = TurnServices(
                store=self.store,
                provider=self.provider,
                toolbox=self.toolbox,
                slots=asyncio.Semaphore(settings.max_concurrent_turns),
                max_history_messages=settings.max_history_messages,
            )
            log = Log(
                self.store.events,
                LogLimits(retention=settings.log_retention, max_size=settings.log_max_size),
            )
            self.turns = Turns(services, log)
            await self._claim(log, stack)
            # Whoever drains the server has left nothing to interrupt.
            stack.push_async_callback(self.turns.drain, 0.0)
            yield

    async def _claim(self, log: Log, stack: AsyncExitStack) -> None:
        """Open the log, and end what a crash has left: at once, or when the server before has ended."""
        owns = await self.store.ownership.take()
        if owns:
            await self._end_abandoned()
        await log.start(alone=owns)
        stack.push_async_callback(log.close)
        if not owns:
            logger.warning("Another server uses the database: what it still writes is followed until it ends")
            claiming = asyncio.create_task(self._take_over(log), name="claim")
            stack.push_async_callback(_cancelled, claiming)

    async def _take_over(self, log: Log) -> None:
        while True:
            await asyncio.sleep(CLAIM_INTERVAL)
            try:
                if await self.store.ownership.take():
                    await self._end_abandoned()
                    await log.own()
                    logger.info("The other server has ended")
                    return
            except StoreError as error:
                logger.warning("The database cannot be claimed yet: %s", error)

    async def _end_abandoned(self) -> None:
        await self.store.events.delete_orphans()
        count = await self.turns.end_abandoned()
        if count:
            logger.warning("%d answers were cut off when the server last ended", count)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def choose_provider(settings: Settings) -> Provider:
    """Make the provider that the settings ask for."""
    if settings.effective_provider == "demo":
        return DemoProvider(delay=settings.demo_delay)
    return OpenAIProvider(
        api_key=settings.openai_api_key,
        base_url=settings.openai_base_url or DEFAULT_BASE_URL,
        default_model=settings.effective_model,
        models=settings.models,
        connect_timeout=settings.connect_timeout,
        stall_timeout=settings.stall_timeout,
        max_retries=settings.max_retries,
    )
