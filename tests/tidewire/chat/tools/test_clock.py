"""The tool that tells the time."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from tidewire.chat.tools import ToolError, current_time

FORM = re.compile(r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d)\[(?P<zone>.+)\]")


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Etc/GMT+5", "America/Argentina/Buenos_Aires"])
async def test_the_time_is_now_with_offset_and_zone(zone: str) -> None:
    before = datetime.now(UTC)
    told = FORM.fullmatch(await current_time(zone))
    after = datetime.now(UTC)

    assert told
    assert told["zone"] == zone
    assert before - timedelta(seconds=1) < datetime.fromisoformat(told["time"]) <= after


async def test_the_offset_is_the_zones() -> None:
    assert "+05:45[Asia/Kathmandu]" in await current_time("Asia/Kathmandu")


async def test_the_time_is_utc_unless_asked_otherwise() -> None:
    assert (await current_time()).endswith("+00:00[UTC]")


@pytest.mark.parametrize(
    "zone",
    [
        "",
        "Mars/Olympus_Mons",
        "Europe",
        "Europe/",
        "/etc/localtime",
        "../../etc/passwd",
        "Europe/../UTC",
        "zone.tab",
        "tzdata.zi",
        "UTC\x00",
        "UTC\n",
        "\ud800",
        "Zürich",
        "__init__",
        "a" * 10_000,
    ],
)
async def test_anything_but_a_zone_is_an_error_in_words(zone: str) -> None:
    with pytest.raises(ToolError, match=r"There is no time zone .*; use an IANA name"):
        await current_time(zone)
