"""Lost, duplicated and reordered ids."""

import pytest

from tidewire.load.sequence import Sequence
from tidewire.load.tally import Order


def seen(*ids: str, window: int = 100) -> tuple[int, int, int]:
    order, sequence = Order(), Sequence(window)
    for event_id in ids:
        sequence.see(event_id, order)
    assert order.tracked == len(ids)
    return order.duplicated, order.reordered, order.missing


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (("1", "2", "3"), (0, 0, 0)),
        (("e.1", "e.2", "e.2"), (1, 0, 0)),
        (("e.1", "e.4"), (0, 0, 2)),
        (("e.1", "e.3", "e.2"), (0, 1, 0)),
        (("e.5", "e.4"), (0, 1, 0)),
        (("e.8", "f.1", "f.2"), (0, 0, 0)),
        (("e.9", "e.10"), (0, 0, 0)),
        (("x", "a", "x"), (1, 0, 0)),
        (("4f12", "4f9"), (0, 0, 0)),
        (("1-0", "1-1", "2-0"), (0, 0, 0)),
        (("1", "", "2"), (0, 0, 0)),
        (("٣", "1", "٢"), (0, 0, 0)),
        (("9" * 40, "1"), (0, 0, 0)),
    ],
)
def test_what_ids_say(ids: tuple[str, ...], expected: tuple[int, int, int]) -> None:
    assert seen(*ids) == expected


def test_a_number_before_all_remembered_ones_is_taken_for_a_repetition() -> None:
    numbers = [str(number) for number in range(1, 21)]
    assert seen(*numbers, "3", window=10) == (1, 0, 0)


def test_memory_is_bounded_by_the_window() -> None:
    assert seen("a", "b", "c", "a", window=2) == (0, 0, 0)
    assert seen("a", "b", "c", "a", window=3) == (1, 0, 0)
