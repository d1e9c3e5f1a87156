"""The end of serving, without loss: clients are told to move, and what runs may come to its end."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection
from typing import Final, Protocol

from .countdown import POLL, Countdown, Stage
from .errors import logger

DEFAULT_SPREAD: Final = 3.0
"""Seconds."""

NOTICES_PER_SECOND: Final = 100
"""Few sockets are told within less than the spread, so that a small server ends quickly."""

LINGER: Final = 2.0
"""Seconds that clients of the newest kind get, when all else is done, to move their subscriptions:
they open the new socket first, and leave the old one when the subscription has started there."""

SERVICE_RESTART: Final = 1012
"""The WebSocket close code that says so; clients reconnect after any."""


class Socket(Protocol):
    """A WebSocket, as `tidewire.session.Session`. It leaves the collection it is in when it is gone."""

    @property
    def has_calls(self) -> bool:
        """Whether calls are under way, subscriptions among them."""
        ...

    async def settled(self) -> None:
        """Wait until no query or mutation is under way. Returns at once when none is."""
        ...

    def notify_reconnect(self) -> None:
        """Tell the client to open a new connection."""
        ...

    def end(self, code: int) -> None:
        """Close with `code` when all frames are sent."""
        ...

    def abort(self) -> None:
        """Cut the connection."""
        ...


class Answer(Protocol):
    """The answer to one HTTP request. It leaves the collection it is in when it has ended."""

    @property
    def endless(self) -> bool:
        """Whether it is a stream of events, whose client comes back when it ends."""
        ...

    def end(self) -> None:
        """End it, as it is."""
        ...


Work = Callable[[float], Awaitable[None]]
"""Lets work end by itself for this many seconds, and interrupts what is left. May be called again."""


class Drain:
    """Empties one application. What happens in which order, and why: docs/deployment.md.

    Args:
        sockets, answers: those that are open, at any time.
        grace: seconds from the signal to the exit; see `Countdown`.
        spread: seconds over which sockets are told, so that not all clients reconnect at once.
        work: what goes on without readers. Readers then count for nothing: they resume elsewhere.
            Without it open subscriptions are waited for, as they may be work themselves.
    """

    def __init__(
        self,
        sockets: Collection[Socket],
        answers: Collection[Answer],
        *,
        grace: float,
        spread: float,
        work: Work | None = None,
    ) -> None:
        self.grace: float = grace
        self.countdown: Countdown = Countdown(grace)
        self._sockets = sockets
        self._answers = answers
        self._spread = spread
        self._work = work
        self._notices: dict[Socket, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Tell sockets, let work and calls end, close sockets. Takes until `Stage.SOCKETS` at most.

        A socket is told when its queries and mutations have been answered: clients up to 11.22 send
        those under way again on the new socket, and they would run twice. One that never comes to that
        is closed untold.
        """
        try:
            await self._empty()
            for socket in list(self._sockets):
                socket.end(SERVICE_RESTART)
            await self.countdown.until(Stage.SOCKETS, lambda: not self._sockets)
        finally:
            for notice in self._notices.values():
                notice.cancel()
            for socket in list(self._sockets):
                socket.abort()
        await asyncio.gather(*self._notices.values(), return_exceptions=True)

    async def finish(self) -> None:
        """End HTTP answers. To be called when no request can come any more: clients come back at once."""
        for answer in list(self._answers):
            if answer.endless:
                answer.end()
        await self.countdown.until(Stage.SOCKETS, lambda: not self._answers)
        for answer in list(self._answers):
            answer.end()
        await self.countdown.until(Stage.ANSWERS, lambda: not self._answers)

    async def finish_work(self) -> None:
        """Let work end by itself until its time is over, then see it interrupted."""
        countdown, hurried = self.countdown, self.countdown.hurried
        if self._work is None or not countdown.left(Stage.FRAMES):
            return
        working = self._begin_work(countdown.left(Stage.WORK))
        await countdown.until(Stage.FRAMES, lambda: working.done() or countdown.hurried != hurried)
        if countdown.hurried != hurried and not working.done():
            working.cancel()
            working = self._begin_work(0)
            await countdown.until(Stage.FRAMES, working.done)
        if not working.done():
            working.cancel()
            logger.warning("What was under way could not be interrupted in time")

    # ---------- parts

    async def _empty(self) -> None:
        """Wait until nothing is left to do, and clients have had the time to move."""
        self._tell_newcomers()
        while self.countdown.left(Stage.WORK):
            await self.finish_work()
            await self.countdown.until(Stage.WORK, self._is_idle)
            await self._linger()
            # Clients that have not moved yet may have begun something.
            asked = _now()
            await self.finish_work()
            if self._is_idle() and _now() - asked <= 2 * POLL:
                return
        await self.finish_work()
        await self.countdown.until(Stage.FRAMES, lambda: self._are_told() and not self._has_calls())

    async def _linger(self) -> None:
        moved_by = _now() + LINGER
        await self.countdown.until(Stage.WORK, lambda: not self._sockets or _now() >= moved_by)

    def _is_idle(self) -> bool:
        if not self._are_told():
            return False
        if self._work is None:
            return not self._answers and not self._has_calls()
        return all(answer.endless for answer in self._answers)

    def _has_calls(self) -> bool:
        return any(socket.has_calls for socket in self._sockets)

    def _are_told(self) -> bool:
        self._tell_newcomers()
        return all(self._notices[socket].done() for socket in self._sockets)

    def _tell_newcomers(self) -> None:
        """See that everybody is told, also those whose handshake was under way at the signal."""
        newcomers = [socket for socket in self._sockets if socket not in self._notices]
        half = self.countdown.left(Stage.WORK) / 2
        window = min(self._spread, (len(newcomers) - 1) / NOTICES_PER_SECOND, half)
        for socket in newcomers:
            self._notices[socket] = asyncio.create_task(_tell(socket, random.uniform(0, window)))

    def _begin_work(self, seconds: float) -> asyncio.Task[None]:
        assert self._work is not None
        return asyncio.create_task(_logged(self._work, seconds))


async def _tell(socket: Socket, delay: float) -> None:
    await asyncio.sleep(delay)
    await socket.settled()
    # Nothing is awaited in between: a call could come.
    socket.notify_reconnect()


async def _logged(work: Work, seconds: float) -> None:
    try:
        await work(seconds)
    except Exception:
        logger.exception("What was under way could not be ended")


def _now() -> float:
    return asyncio.get_running_loop().time()
