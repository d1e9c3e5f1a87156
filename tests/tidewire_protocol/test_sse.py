"""Event streams, read back by a parser that follows the browsers' standard."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from tests.tidewire_protocol.documents import documents, texts
from tidewire_protocol import IDENTITY
from tidewire_protocol.codec import error_shape
from tidewire_protocol.sse import HEADERS, PING, RETURN, EventWriter, connected, serialized_error


class Event(NamedTuple):
    """What a browser hands to the page; `id` is the last one it has received."""

    name: str
    data: str
    id: str


# Source: WHATWG HTML, 9.2.6, "Interpreting an event stream". An event without data is not handed
# on, but its id counts.
def parse(stream: bytes, last_id: str = "") -> Iterator[Event]:
    name, data = "", list[str]()
    for line in re.split("\r\n|\n|\r", stream.decode()):
        if not line:
            if data:
                yield Event(name or "message", "\n".join(data), last_id)
            name, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
        elif field == "id" and "\0" not in value:
            last_id = value


def writer(last_event_id: str | None = None) -> EventWriter:
    return EventWriter(IDENTITY, last_event_id)


def test_the_headers_keep_everybody_from_holding_events_back() -> None:
    assert dict(HEADERS) == {
        "content-type": "text/event-stream",
        "cache-control": "no-cache, no-transform",
        "x-accel-buffering": "no",
    }


@pytest.mark.parametrize(
    ("written", "event"),
    [
        (connected({}), Event("connected", "{}", "")),
        (
            connected({"reconnectAfterInactivityMs": 5}),
            Event("connected", '{"reconnectAfterInactivityMs":5}', ""),
        ),
        (PING, Event("ping", "", "")),
        (RETURN, Event("return", "", "")),
    ],
)
def test_what_is_no_data_has_a_name(written: bytes, event: Event) -> None:
    assert list(parse(written)) == [event]


def test_a_failure_is_sent_in_the_shape_of_an_error() -> None:
    shape = error_shape("FORBIDDEN", "line\nbreak", "p")
    [event] = parse(serialized_error(shape, IDENTITY))
    assert event.name == "serialized-error"
    assert json.loads(event.data) == shape


class Undefined:
    """A transformer that cannot encode anything."""

    name = "undefined"

    def encode(self, value: object) -> bytes | None:
        return None

    def encode_tracked(self, event_id: str, value: object) -> bytes:
        raise NotImplementedError

    def decode(self, document: object) -> object:
        raise NotImplementedError


def test_an_error_that_is_undefined_is_null() -> None:
    assert serialized_error({}, Undefined()) == b"event: serialized-error\ndata: null\n\n\n"


def test_a_tracked_event_has_an_id() -> None:
    assert writer().tracked("1.5", {"a": 1}) == b'data: {"a":1}\nid: 1.5\n\n\n'


def test_an_untracked_event_has_none() -> None:
    assert writer().untracked("x") == b'data: "x"\n\n\n'


def test_undefined_is_no_json() -> None:
    assert writer().untracked(UNSET) == b"data: undefined\n\n\n"
    assert writer().tracked("1", UNSET) == b"data: undefined\nid: 1\n\n\n"


def test_an_untracked_event_among_tracked_ones_does_not_move_the_cursor() -> None:
    written = writer()
    stream = written.tracked("1", "a") + written.untracked("b") + written.untracked("c")
    assert list(parse(stream)) == [
        Event("message", '"a"', "1"),
        Event("message", '"b"', ""),
        Event("restore-id", "", "1"),
        Event("message", '"c"', ""),
        Event("restore-id", "", "1"),
    ]


@pytest.mark.parametrize("last_event_id", ["7", "a b", " 7", "ä"])
def test_the_cursor_that_a_client_came_with_is_kept(last_event_id: str) -> None:
    events = list(parse(writer(last_event_id).untracked("x"), last_event_id))
    assert events == [Event("message", '"x"', ""), Event("restore-id", "", last_event_id)]


@pytest.mark.parametrize("last_event_id", [None, "", "a\nb", "\r", "\0"])
def test_a_cursor_that_no_stream_can_carry_is_not_sent_back(last_event_id: str | None) -> None:
    assert writer(last_event_id).untracked("x") == b'data: "x"\n\n\n'


@pytest.mark.parametrize("event_id", ["a\nb", "a\rb", "\r\n", "\0"])
def test_an_id_that_would_break_the_stream_is_refused(event_id: str) -> None:
    with pytest.raises(ValueError, match="cannot carry the id"):
        writer().tracked(event_id, 1)


@pytest.mark.parametrize(
    ("event_id", "sent"),
    [
        ("中", "中"),
        ("\U0001f600", "\U0001f600"),
        ("a\ud800b", "a\ufffdb"),
        ("\udc00", "\ufffd"),
        ("\ud83d\ude00", "\U0001f600"),
        ("\u2028", "\u2028"),
        ("\ufeff", "\ufeff"),
    ],
)
def test_half_a_surrogate_pair_in_an_id_is_replaced(event_id: str, sent: str) -> None:
    [event] = parse(writer().tracked(event_id, 1))
    assert event.id == sent


IDS = texts(surrogates=True).filter(lambda text: text and not set(text) & set("\0\r\n"))
VALUES = documents(surrogates=True)


@given(st.lists(st.tuples(st.none() | IDS, VALUES)), st.none() | texts(surrogates=False))
def test_no_value_and_no_id_breaks_the_framing(
    written: list[tuple[str | None, Any]], last_event_id: str | None
) -> None:
    events = writer(last_event_id)
    stream = b"".join(
        events.untracked(data) if event_id is None else events.tracked(event_id, data)
        for event_id, data in written
    )
    read = [event for event in parse(stream) if event.name != "restore-id"]
    assert [event.name for event in read] == ["message"] * len(written)
    assert [json.loads(event.data) for event in read] == [as_read(data) for _, data in written]
    sent = ["" if event_id is None else replaced(event_id) for event_id, _ in written]
    assert [event.id for event in read] == sent


@given(st.lists(st.none() | IDS, min_size=1), IDS)
def test_after_every_event_the_cursor_is_the_last_id(ids: list[str | None], last_event_id: str) -> None:
    events = writer(last_event_id)
    expected = last_event_id
    stream = b""
    for event_id in ids:
        stream += events.untracked(1) if event_id is None else events.tracked(event_id, 1)
        expected = expected if event_id is None else event_id
        *_, last = parse(stream)
        assert last.id == replaced(expected)


def replaced(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def as_read(value: Any) -> Any:
    return json.loads(json.dumps(value))


def test_a_failure_with_line_breaks_stays_one_event() -> None:
    shape = error_shape("BAD_REQUEST", "a\r\n\r\nevent: return\rdata: x\n\n", None)
    assert [event.name for event in parse(serialized_error(shape, IDENTITY))] == ["serialized-error"]
