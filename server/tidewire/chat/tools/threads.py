"""The threads that synchronous tools run in."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Any, Final, TypeVar

T = TypeVar("T")

MAX_THREADS: Final = 16


class ToolThreads:
    """At most `limit` daemon threads, started as they are needed.

    A thread cannot be killed, so a tool that never returns keeps its thread. That costs other
    synchronous tools one place, never the event loop's own executor. ThreadPoolExecutor is not
    used because the interpreter joins its threads at exit: one stuck tool would keep the
    server from ending.
    """

    def __init__(self, limit: int = MAX_THREADS) -> None:
        self._limit = limit
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._started = 0
        self._lock = threading.Lock()

    async def run(self, function: Callable[[], T]) -> T:
        """Call `function` in a thread, with the caller's context variables.

        Cancelling ends the wait at once: a call that has not begun never begins, one that
        has begun goes on, and what it returns or raises is dropped.
        """
        future: Future[T] = Future()
        self._jobs.put((future, partial(contextvars.copy_context().run, function)))
        self._start_one_more()
        return await asyncio.wrap_future(future)

    def _start_one_more(self) -> None:
        with self._lock:
            if self._started == self._limit:
                return
            self._started += 1
        threading.Thread(target=self._work, name=f"tidewire-tool-{self._started}", daemon=True).start()

    def _work(self) -> None:
        while True:
            _settle(*self._jobs.get())


def _settle(future: Future[T], function: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function()
    except StopIteration as error:
        # A future refuses to hold StopIteration, and whoever awaits it would wait for ever.
        future.set_exception(RuntimeError(f"StopIteration({error}) left the tool."))
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
