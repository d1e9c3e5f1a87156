"""Bytes to events, without a socket."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewire.chat.providers import ProviderError
from tidewire.chat.providers.event_stream import EventStreamReader, ServerEvent


def events_of(*pieces: bytes, max_event_bytes: int = 1000) -> list[ServerEvent]:
    reader = EventStreamReader(max_event_bytes)
    events = [event for piece in pieces for event in reader.feed(piece)]
    tail = reader.close()
    return [*events, tail] if tail else events


def split_at(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    return [data[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"data: a\n\ndata: b\n\n", [b"a", b"b"], id="LF"),
        pytest.param(b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"], id="CRLF"),
        pytest.param(b"data: a\r\rdata: b\r\r", [b"a", b"b"], id="CR"),
        pytest.param(b"data: a\r\n\ndata: b\n\r", [b"a", b"b"], id="mixed line ends"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", [b"a"], id="byte order mark"),
        pytest.param(b": OPENROUTER PROCESSING\n\ndata: a\n\n: bye\n\n", [b"a"], id="comments"),
        pytest.param(b"data: a\ndata: b\n\n", [b"a\nb"], id="two data lines"),
        pytest.param(b"data:a\n\n", [b"a"], id="no blank after the colon"),
        pytest.param(b"data:  a\n\n", [b" a"], id="only one blank is dropped"),
        pytest.param(b"data\n\n", [b""], id="no colon"),
        pytest.param(b"id: 1\nretry: 5\ndata: a\n\n", [b"a"], id="id and retry"),
        pytest.param(b"event: ping\n\ndata: a\n\n", [b"a"], id="an event without data is none"),
        pytest.param(b"data: a\n\ndata: b\n", [b"a", b"b"], id="no blank line at the end"),
        pytest.param(b"data: a\n\ndata: b", [b"a", b"b"], id="no line end at the end"),
        pytest.param(
            "data: a\u2028b\u0085c\x0cd\n\n".encode(), ["a\u2028b\u0085c\x0cd".encode()], id="U+2028"
        ),
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"\n\n\r\n", [], id="blank lines"),
    ],
)
def test_a_body_has_these_events(body: bytes, expected: list[bytes]) -> None:
    assert [event.data for event in events_of(body)] == expected
    assert [event.data for event in events_of(*split_at(body, list(range(len(body)))))] == expected


def test_an_events_name_holds_for_that_event_only() -> None:
    events = events_of(b"event: error\ndata: a\n\ndata: b\n\n")
    assert events == [ServerEvent(b"error", b"a"), ServerEvent(b"", b"b")]


FRAGMENTS = st.sampled_from(
    [
        *[b"data: ", b"data:x", b"data: {}\n\n", b": note", b"event: error"],
        *[b"\n", b"\r", b"\r\n", b"\n\n", "é€😀".encode(), b"{}"],
    ]
)


@given(st.lists(FRAGMENTS, max_size=30).map(b"".join), st.lists(st.integers(0, 120)))
def test_any_split_gives_the_same_events(body: bytes, cuts: list[int]) -> None:
    assert events_of(*split_at(body, cuts)) == events_of(body)


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), max_size=10))
def test_what_was_framed_comes_out(texts: list[str]) -> None:
    body = "".join(f"data: {text}\n\n" for text in texts).encode()
    assert [event.data.decode() for event in events_of(body)] == texts


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"data: " + b"x" * 100, id="one line"),
        pytest.param(b"data: 1234567890\n" * 10, id="many lines"),
        pytest.param(b":" + b"x" * 100, id="a comment"),
    ],
)
def test_an_event_has_a_largest_size(body: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        events_of(*split_at(body, list(range(len(body)))), max_event_bytes=64)
    assert caught.value.code == "BAD_GATEWAY"


def test_the_largest_size_is_counted_for_each_event_anew() -> None:
    reader = EventStreamReader(max_event_bytes=64)
    assert len([event for _ in range(100) for event in reader.feed(b"data: 1234567890\n\n")]) == 100


@pytest.mark.parametrize(
    ("body", "foreign"),
    [
        (b"<!DOCTYPE html>\n<html>\n", True),
        (b"<html></html>", True),
        (b": note\nevent: x\nid: 1\nretry: 1\ndata: <html>\n\n", False),
        (b"dat", False),
        (b"data: {", False),
    ],
)
def test_lines_of_something_else_are_noticed(body: bytes, foreign: bool) -> None:
    reader = EventStreamReader()
    list(reader.feed(body))
    reader.close()
    assert reader.foreign is foreign
