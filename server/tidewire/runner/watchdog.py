"""What ends the process when nothing else does."""

import os
import queue
import threading
import time
from contextlib import suppress

LAST_WORDS = b"The shutdown took longer than its grace period; exiting without the rest of it.\n"


class Watchdog:
    """Exits with 0 at a deadline: a thread, for an event loop that is blocked cannot see to it."""

    def __init__(self) -> None:
        # Its `put` may be called in a signal handler, as few other things between threads may.
        self._deadlines = queue.SimpleQueue[float]()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def exit_within(self, seconds: float) -> None:
        """Exit in so many seconds; the earliest of several deadlines counts."""
        self._deadlines.put(time.monotonic() + seconds)

    def _watch(self) -> None:
        deadline = self._deadlines.get()
        while (left := deadline - time.monotonic()) > 0:
            with suppress(queue.Empty):
                deadline = min(deadline, self._deadlines.get(timeout=left))
        # Not by logging: whoever hangs may hold its lock.
        os.write(2, LAST_WORDS)
        os._exit(0)
