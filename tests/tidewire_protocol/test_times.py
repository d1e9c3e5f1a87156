"""Times as JavaScript has them. More, against JavaScript itself: `tests/conformance/test_superjson.py`."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewire_protocol.times import EPOCH, datetime_of, iso_text, iso_text_of, parse_time, time_clip

LIMIT = 8_640_000_000_000_000


@given(st.integers(-LIMIT, LIMIT))
def test_what_is_written_is_read_again(milliseconds: int) -> None:
    assert parse_time(iso_text_of(milliseconds)) == milliseconds


@given(st.datetimes(timezones=st.just(UTC)))
def test_both_ways_of_writing_agree(moment: datetime) -> None:
    milliseconds = (moment - EPOCH) // timedelta(milliseconds=1)
    assert iso_text_of(milliseconds) == iso_text(moment)
    assert parse_time(iso_text(moment)) == milliseconds
    assert datetime_of(milliseconds) == EPOCH + timedelta(milliseconds=milliseconds)


@pytest.mark.parametrize("milliseconds", [-LIMIT, LIMIT, 253_402_300_800_000, -62_135_596_800_001])
def test_years_that_python_has_not_are_no_datetime(milliseconds: int) -> None:
    assert datetime_of(milliseconds) is None
    assert time_clip(milliseconds) == milliseconds


@pytest.mark.parametrize("milliseconds", [LIMIT + 1, -LIMIT - 1, math.inf, math.nan])
def test_years_that_javascript_has_not_are_no_time(milliseconds: float) -> None:
    assert math.isnan(time_clip(milliseconds))


def test_a_fraction_of_a_millisecond_is_dropped() -> None:
    assert time_clip(1.9) == 1
    assert time_clip(-1.9) == -1
