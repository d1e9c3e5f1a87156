"""The tool that tells the time."""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta

from .errors import ToolError
from .tool import tool


@tool
async def current_time(
    timezone: Annotated[str, Meta(description="IANA time zone name, such as Europe/Berlin.")] = "UTC",
) -> str:
    """Tell the current date and time in a time zone, as ISO 8601 with the offset and the zone's name.

    The form is RFC 9557's: `2031-05-04T09:30:00+02:00[Europe/Berlin]`.

    Raises:
        ToolError: there is no such time zone.
    """
    now = datetime.now(_zone(timezone))
    return f"{now.isoformat(timespec='seconds')}[{timezone}]"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        # ValueError: a path out of the database, or a file in it that is no zone. OSError: a
        # directory such as `Europe`, or a name too long for a file.
        raise ToolError(f"There is no time zone {name[:64]!r}; use an IANA name.") from error
