"""Whether the tracked events of one subscription come once and in order."""

import re
from collections import deque
from typing import Final

from .tally import Order

NUMBERED: Final = re.compile(r"((?:.*[^0-9A-Za-z])?)([0-9]{1,18})", re.ASCII | re.DOTALL)
"""A number, alone or after a separator: `17`, `5f2c.17`. The end of a UUID is no number."""


class Sequence:
    """The ids of one subscription, across reconnections.

    Ids are opaque in general: what can always be said is that one came twice. Only where ids are
    numbers, after a beginning that stays the same, do they have an order; a new beginning (the
    epoch of another log) starts a new order.

    The last `window` ids are remembered. A number before all of them counts as duplicated: that is
    what a server sends that resumes too early.
    """

    __slots__ = ("_beginning", "_first", "_last", "_recent", "_seen", "_window")

    def __init__(self, window: int) -> None:
        self._window = window
        self._recent: deque[str] = deque()
        self._seen: set[str] = set()
        self._beginning: str | None = None
        self._first = 0
        self._last = 0

    def see(self, event_id: str, order: Order) -> None:
        """Count one event into `order`."""
        order.tracked += 1
        if event_id in self._seen:
            order.duplicated += 1
            return
        number = self._number(event_id)
        if number is not None:
            self._place(number, order)
        self._remember(event_id)

    def _number(self, event_id: str) -> int | None:
        """Give the number of an id that begins like those before; one that does not starts a new order."""
        beginning = self._beginning
        if beginning is not None and event_id.startswith(beginning):
            digits = event_id[len(beginning) :]
            if digits.isdecimal() and digits.isascii() and len(digits) <= 18:
                return int(digits)
        match = NUMBERED.fullmatch(event_id)
        if match is None:
            self._beginning = None
        else:
            self._beginning = match[1]
            self._first = self._last = int(match[2])
        return None

    def _place(self, number: int, order: Order) -> None:
        if number > self._last:
            order.missing += number - self._last - 1
            self._last = number
        elif self._is_forgotten(number):
            order.duplicated += 1
        else:
            order.reordered += 1
            # It had been counted as missing, unless it is from before the first one.
            order.missing -= number > self._first

    def _is_forgotten(self, number: int) -> bool:
        if len(self._recent) < self._window:
            return False
        oldest = NUMBERED.fullmatch(self._recent[0])
        return oldest is not None and oldest[1] == self._beginning and number < int(oldest[2])

    def _remember(self, event_id: str) -> None:
        recent = self._recent
        if len(recent) == self._window:
            self._seen.discard(recent.popleft())
        recent.append(event_id)
        self._seen.add(event_id)
