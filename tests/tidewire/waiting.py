"""What tests wait for: something that happens, or nothing at all."""

import asyncio

# Short enough for a test, where nothing else than the timeout can end the wait.
AT_ONCE = 0.01


async def for_ever() -> None:
    await asyncio.Event().wait()


class Trace(list[str]):
    """What happened, in order; and a way to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def note(self, what: str) -> None:
        self.append(what)
        self._more.set()

    async def until(self, what: str) -> None:
        async with asyncio.timeout(10):
            while what not in self:
                self._more.clear()
                await self._more.wait()
