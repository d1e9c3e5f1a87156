"""The chat server in a time that jumps: what its wall clock is ahead, in seconds, is in the file CLOCK."""

import datetime
import os
import time
from pathlib import Path
from typing import Any, Final

from tidewire.chat import create_chat_app, turns
from tidewire.chat.store import store

CLOCK: Final = Path(os.environ["CLOCK"])

_true_time: Final = time.time


def ahead() -> float:
    """Seconds."""
    return float(CLOCK.read_text())


class JumpingDatetime(datetime.datetime):
    """What the server takes for `datetime`."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        """The time that the clock shows."""
        return datetime.datetime.now(tz) + datetime.timedelta(seconds=ahead())


time.time = lambda: _true_time() + ahead()
store.datetime = JumpingDatetime  # type: ignore[attr-defined]  # the fault
turns.datetime = JumpingDatetime  # type: ignore[attr-defined]  # the same

app = create_chat_app()
