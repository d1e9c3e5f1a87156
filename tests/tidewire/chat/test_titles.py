import pytest

from tidewire.chat.titles import title_of


@pytest.mark.parametrize(
    ("message", "title"),
    [
        ("Hello", "Hello"),
        ("  \n\n  Hello there \nmore", "Hello there"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
        ("word " * 20, "word " * 11 + "word…"),
        ("a " + "x" * 100, "a…"),
    ],
)
def test_a_title_is_the_first_line_cut_at_a_word(message: str, title: str) -> None:
    assert title_of(message) == title
    assert len(title) <= 60
