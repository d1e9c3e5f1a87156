"""Counting in workers, merging in the parent."""

from datetime import UTC, datetime

import msgspec
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]  # it has no annotations
from hypothesis import given, settings
from hypothesis import strategies as st

from tidewire.load.histogram import DIGITS, HIGHEST, Histogram, percentile
from tidewire.load.plan import Plan
from tidewire.load.report import Reporter, verdict
from tidewire.load.tally import CODES_MAX, Slice, bucket

microseconds = st.integers(0, HIGHEST)


# Each reads its percentiles one count after the other, of tens of thousands.
@settings(max_examples=20)
@given(st.lists(st.lists(microseconds, max_size=20), min_size=1, max_size=3))
def test_merged_tallies_are_the_histogram_of_all_values(workers: list[list[int]]) -> None:
    merged, direct = Histogram(), HdrHistogram(1, HIGHEST, DIGITS)
    for values in workers:
        tally = Slice()
        for value in values:
            tally.record("gap", value * 1000)
            direct.record_value(value)
        merged.add(msgspec.json.decode(msgspec.json.encode(tally), type=Slice).latencies["gap"])
    assert merged.count == direct.get_total_count()
    for percent in (0, 50, 99, 99.9, 100):
        assert merged.at(percent) == direct.get_value_at_percentile(percent) / 1000


@given(microseconds)
def test_a_bucket_is_within_a_thousandth(value: int) -> None:
    assert bucket(value) <= value <= bucket(value) * 1.001


def test_percentiles_of_a_second() -> None:
    assert percentile({1000: 50, 2000: 49, 9000: 1}, 50) == 1.0
    assert percentile({1000: 50, 2000: 49, 9000: 1}, 100) == 9.0
    assert percentile({}, 50) is None


def test_codes_and_messages_of_a_peer_are_bounded_and_printable() -> None:
    tally = Slice()
    for number in range(1000):
        tally.fail(f"CODE{number}", "\x1b[31m" + "x" * 1000)
    assert len(tally.failures) <= CODES_MAX + 1
    assert tally.failed == 1000
    assert tally.failures["CODE0"].message.startswith(" [31mxx")
    assert len(tally.failures["CODE0"].message) < 250


def test_workers_are_merged_second_by_second() -> None:
    plan = Plan(url="ws://x/", path="a", workers=2, contiguous_ids=True)
    reporter = Reporter(plan, datetime.now(UTC))
    for worker in (0, 1):
        for second in (0, 1):
            piece = Slice(second=second, seconds=1.0, open_sockets=5, events=10, cpu=0.2 + worker / 10)
            piece.order.missing = second
            piece.fail("CONFLICT", "busy")
            piece.record("gap", 3_000_000)
            reporter.take(worker, piece)
    report = reporter.report(interrupted=False)
    assert [(second.sockets, second.events, second.latency_p99) for second in report.timeline] == [
        (10, 20, 3.0),
        (10, 20, 3.0),
    ]
    assert (report.totals.events, report.lost, report.is_exact) == (40, 2, False)
    assert (report.failures["CONFLICT"].count, report.latencies["gap"].count) == (4, 4)
    assert (report.seconds, round(report.load_cpu, 3)) == (2.0, 0.3)


def test_a_busy_load_tester_says_so() -> None:
    reporter = Reporter(Plan(url="ws://x/", path="a"), datetime.now(UTC))
    reporter.take(0, Slice(seconds=1.0, events=1, cpu=0.95))
    assert any("--workers" in note for note in reporter.report(interrupted=False).notes)


def test_a_run_in_vain_gets_a_sentence() -> None:
    reporter = Reporter(Plan(url="ws://x/", path="a"), datetime.now(UTC))
    piece = Slice(seconds=1.0, sent=3)
    piece.fail("NOT_FOUND", "No such procedure")
    reporter.take(0, piece)
    assert verdict(reporter.report(interrupted=False)) == (
        "ws://x/: nothing worked; once NOT_FOUND (No such procedure); is --path right?"
    )
