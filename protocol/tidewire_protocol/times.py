"""Times as JavaScript reads and writes them: milliseconds since 1970, UTC."""

import math
import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
DAY: Final = 86_400_000
"""Milliseconds."""

# A Date of JavaScript holds this many to either side of 1970, some 270,000 years.
_MAX_MILLISECONDS: Final = 8_640_000_000_000_000

_FORMAT: Final = re.compile(
    r"(?P<year>[0-9]{4}|[+-][0-9]{6})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2}))?)?"
    r"(?:[Tt ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<part>[0-9]+))?)?"
    r"(?:[Zz]|(?P<sign>[+-])(?P<hours>[0-9]{2}):?(?P<minutes>[0-9]{2}))?)?"
)


def iso_text(moment: datetime) -> str:
    """Write a time as JavaScript's `toISOString` does: UTC, milliseconds.

    Raises:
        ValueError: no time zone. A browser would take it for its own local time.
    """
    if moment.tzinfo is None:
        raise ValueError(f"The time {moment.isoformat()} has no time zone")
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="milliseconds") + "Z"


def iso_text_of(milliseconds: float) -> str:
    """Write a time that Python's datetime may not hold, such as one before the year 1."""
    days, rest = divmod(int(milliseconds), DAY)
    # Years repeat after 400 of them, so any year can be looked up in a range that Python knows.
    cycles, days = divmod(days + EPOCH.toordinal() - 1, 146_097)
    day = date.fromordinal(days + 1)
    year = day.year + 400 * cycles
    year_text = f"{year:04}" if 0 <= year <= 9999 else f"{year:+07}"
    time = (datetime.min + timedelta(milliseconds=rest)).isoformat(timespec="milliseconds")
    return f"{year_text}-{day.month:02}-{day.day:02}{time[10:]}Z"


def parse_time(text: str) -> float:
    """Read a time as `new Date(text)` does, in milliseconds since 1970; NaN if it is none.

    Only the format of `toISOString` and its shorter forms is known, not the free text that
    browsers try to understand. A time without a zone is taken for UTC.
    """
    match = _FORMAT.fullmatch(text)
    if match is None or match["year"] == "-000000":
        return math.nan
    year, month, day, hour, minute, second, hours, minutes = (
        int(match[name] or first)
        for name, first in zip(
            ("year", "month", "day", "hour", "minute", "second", "hours", "minutes"),
            (0, 1, 1, 0, 0, 0, 0, 0),
            strict=True,
        )
    )
    part = int((match["part"] or "")[:3].ljust(3, "0"))
    time = ((hour * 60 + minute) * 60 + second) * 1000 + part
    in_range = 1 <= month <= 12 and 1 <= day <= 31 and minute < 60 and second < 60 and time <= DAY
    if not in_range or hours > 23 or minutes > 59:
        return math.nan
    offset = (hours * 60 + minutes) * 60_000 * (-1 if match["sign"] == "-" else 1)
    return time_clip(_days(year, month, day) * DAY + time - offset)


def time_clip(milliseconds: float) -> float:
    """Give whole milliseconds; NaN if a Date of JavaScript cannot hold them."""
    if not abs(milliseconds) <= _MAX_MILLISECONDS:
        return math.nan
    return int(milliseconds)


def datetime_of(milliseconds: float) -> datetime | None:
    """Give the time, or None if Python's datetime cannot hold it."""
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except (OverflowError, ValueError):
        return None


def _days(year: int, month: int, day: int) -> int:
    """Count days since 1970; a day that the month does not have runs into the next one."""
    cycles, year_of_cycle = divmod(year - 2000, 400)
    first = date(2000 + year_of_cycle, month, 1).toordinal()
    return first + day - 1 + 146_097 * cycles - EPOCH.toordinal()
