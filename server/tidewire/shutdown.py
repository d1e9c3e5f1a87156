"""Who runs the drains: a server that knows of them, or a hook before its signal handlers."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any, Final

from .countdown import DEFAULT_GRACE, Countdown
from .drain import Drain
from .errors import logger

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

PASSED_ON: Final = 0.3
"""Seconds in which a server closes its listener after its handler has been called; uvicorn looks for
the signal every 0.1 s."""

_Handler = Callable[[int, FrameType | None], object]


class Shutdown:
    """The drains of all that is served."""

    def __init__(self) -> None:
        self._drains: set[Drain] = set()
        self._countdown: Countdown | None = None

    @property
    def countdown(self) -> Countdown:
        """The longest of all."""
        if self._countdown is None:
            self._countdown = Countdown(self.grace)
        return self._countdown

    @property
    def grace(self) -> float:
        """Seconds from the signal to the exit: the longest that anybody wants."""
        return max((drain.grace for drain in self._drains), default=DEFAULT_GRACE)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to drain."""
        return not self._drains

    @contextmanager
    def including(self, drain: Drain) -> Generator[None]:
        """Run `drain` with the others, within this block."""
        self._drains.add(drain)
        try:
            yield
        finally:
            self._drains.discard(drain)

    @contextmanager
    def known(self) -> Generator[None]:
        """Have the applications that start within this block register here, rather than hook signals."""
        token = _known.set(self)
        try:
            yield
        finally:
            _known.reset(token)

    def begin(self) -> None:
        """Start the clock: from now on nothing new is taken."""
        logger.info("Asked to end: draining for %g seconds at most", self.countdown.total)
        for countdown in self._countdowns():
            countdown.begin()

    def hurry(self) -> None:
        """Allow no more time than closing needs."""
        for countdown in self._countdowns():
            countdown.hurry()

    async def run(self) -> None:
        """See `Drain.run`."""
        await _all(drain.run() for drain in self._drains)

    async def finish(self) -> None:
        """See `Drain.finish`."""
        await _all(drain.finish() for drain in self._drains)

    def _countdowns(self) -> list[Countdown]:
        return [self.countdown, *(drain.countdown for drain in self._drains)]


class SignalHook:
    """Comes before the handlers of a server that knows nothing of drains, such as plain uvicorn.

    The first signal starts the drain, and is passed on when that is over. A second one is passed on
    at once. Installed only in the main thread, and only if the server has handlers already: without
    any there is nobody to pass signals on to.
    """

    def __init__(self) -> None:
        self._shutdown = Shutdown()
        self._previous: dict[int, _Handler] = {}
        self._loop: asyncio.AbstractEventLoop
        self._asked = False
        self._passed_on = False
        self._draining: asyncio.Task[None] | None = None

    @contextmanager
    def including(self, drain: Drain) -> Generator[None]:
        """Run `drain` at the first signal, within this block."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        if self._shutdown.is_empty:
            self._install()
        try:
            with self._shutdown.including(drain):
                yield
        finally:
            if self._shutdown.is_empty:
                self._remove()

    def _install(self) -> None:
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        if not callable(handlers[signal.SIGTERM]):
            return
        self._loop = asyncio.get_running_loop()
        self._shutdown = Shutdown()
        self._asked = self._passed_on = False
        self._previous = {number: handler for number, handler in handlers.items() if callable(handler)}
        for number in self._previous:
            signal.signal(number, self._handle)

    def _remove(self) -> None:
        for number, previous in self._previous.items():
            # Whoever has taken the signal over since keeps it.
            if signal.getsignal(number) == self._handle:
                signal.signal(number, previous)
        self._previous = {}
        if self._draining is not None:
            self._draining.cancel()
            self._draining = None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self._asked:
            self._asked = True
            self._loop.call_soon_threadsafe(self._begin, number)
        else:
            self._passed_on = True
            self._loop.call_soon_threadsafe(self._shutdown.hurry)
            self._previous[number](number, frame)

    def _begin(self, number: int) -> None:
        self._shutdown.begin()
        self._draining = asyncio.create_task(self._drain(number))

    async def _drain(self, number: int) -> None:
        await self._shutdown.run()
        if not self._passed_on:
            self._passed_on = True
            self._previous[number](number, None)
        await asyncio.sleep(PASSED_ON)
        await self._shutdown.finish()


async def _all(steps: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Take the step with every drain: a failure of one must not keep the others from theirs."""
    for failure in await asyncio.gather(*steps, return_exceptions=True):
        if isinstance(failure, Exception):
            logger.error("A drain failed", exc_info=failure)


_known: ContextVar[Shutdown | None] = ContextVar("_known", default=None)
_hook: Final = SignalHook()


@contextmanager
def drained_at_shutdown(drain: Drain) -> Generator[None]:
    """Run `drain` when this process is asked to end within this block, an application's lifespan."""
    with (_known.get() or _hook).including(drain):
        yield
