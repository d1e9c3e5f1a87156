"""The chat server's parts, from settings."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from .log import Log, LogLimits
from .providers import DemoProvider, OpenAIProvider, Provider
from .providers.openai import DEFAULT_BASE_URL
from .recovery import open_turns
from .settings import Settings
from .store import Store, StoreError
from .tools import BUILTIN_TOOLS, Tool, Toolbox
from .turn import TurnServices
from .turns import Turns

logger: Final = logging.getLogger("tidewire.chat")


MINDING_INTERVAL: Final = 0.5
"""Seconds between two looks whether other servers use the database."""


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
            log.start()
            stack.push_async_callback(log.close)
            await self._mind_others(log)
            minding = asyncio.create_task(self._keep_minding_others(log), name="mind other servers")
            stack.push_async_callback(_cancelled, minding)
            # Whoever drains the server has left nothing to interrupt.
            stack.push_async_callback(self.turns.drain, 0.0)
            yield

    async def _mind_others(self, log: Log) -> None:
        """Follow what other servers write; while there is none, end what nobody works on."""
        async with self.store.servers.alone() as alone:
            left = await self._left(log) if alone else []
        if left and (count := await self.turns.end_abandoned(left)):
            logger.warning("%d answers were cut off, for no server was writing them", count)
        if alone and not log.alone:
            await self.store.events.delete_orphans()
            await log.own()
            logger.info("No other server uses the database")
        elif not alone:
            if log.alone is not False:
                logger.info("Another server uses the database, too: what it writes is followed")
            log.share()

    async def _left(self, log: Log) -> list[tuple[str, str]]:
        """The conversation and id of every turn that is under way, but not here."""
        if not log.alone:
            return await open_turns(self.store, log.journal)
        # Its own, such as one whose beginning was stored when the word of it got lost.
        turns = await self.store.messages.streaming_turns()
        return [(of, turn_id) for of, turn_id in turns if not self.turns.is_active(of, turn_id)]

    async def _keep_minding_others(self, log: Log) -> None:
        while True:
            await asyncio.sleep(MINDING_INTERVAL)
            try:
                await self._mind_others(log)
            except StoreError as error:
                logger.warning("Whether there are other servers cannot be told: %s", error)
            # Whatever it is: without this nobody would end what other servers leave.
            except Exception as error:
                logger.error("Whether there are other servers cannot be told", exc_info=error)


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
