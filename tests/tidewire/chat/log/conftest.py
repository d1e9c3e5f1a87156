"""A log on a journal in memory."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.tidewire.chat.log.journal import MemoryJournal
from tests.tidewire.chat.log.logs import PATIENT
from tests.tidewire.chat.scripted import WAIT_SECONDS
from tidewire.chat.log import Log


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
async def log(journal: MemoryJournal) -> AsyncIterator[Log]:
    log = Log(journal, PATIENT)
    await log.own()
    log.start()
    yield log
    async with asyncio.timeout(WAIT_SECONDS):
        await log.close()
