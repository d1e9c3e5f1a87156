"""What a connection makes of the frames it receives."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from tests.tidewire_protocol.documents import DEEP_TEXT, texts
from tests.tidewire_protocol.frames import frame, request, stop
from tidewire_protocol import (
    IDENTITY,
    Connection,
    Event,
    Fault,
    Greeted,
    IdentityTransformer,
    LocalProtocolError,
    Opened,
    Pinged,
    Rejected,
    RequestId,
)
from tidewire_protocol.connection import MAX_REJECTIONS

HELLO = frame(request(1))
LIMIT = 200  # bytes


@pytest.fixture
def connection() -> Connection:
    return Connection(IDENTITY)


@pytest.fixture
def announcing() -> Connection:
    """A connection that waits for connection params."""
    return Connection(IDENTITY, announces_params=True)


@pytest.fixture
def limited() -> Connection:
    """A connection that takes frames of `LIMIT` bytes and batches of 3."""
    return Connection(IDENTITY, max_batch_size=3, max_message_bytes=LIMIT)


def opened(events: list[Event]) -> list[tuple[RequestId, str]]:
    calls = [event.call for event in events if isinstance(event, Opened)]
    assert len(calls) == len(events)
    return [(call.id, call.path) for call in calls]


def parse_fault(message: str) -> Rejected:
    return Rejected(Fault("PARSE_ERROR", message))


def padded(text: str, length: int) -> str:
    """Add white space up to `length` bytes."""
    return text + " " * (length - len(text.encode()))


# ---------- greeting


def test_without_announced_params_the_greeting_comes_at_once(connection: Connection) -> None:
    assert connection.open() == [Greeted(None)]


def test_announced_params_are_waited_for(announcing: Connection) -> None:
    assert announcing.open() == []


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ('{"method":"connectionParams","data":{"token":"t","empty":""}}', {"token": "t", "empty": ""}),
        ('{"method":"connectionParams","data":{}}', {}),
        ('{"method":"connectionParams","data":null}', None),
        ('{"whatever":1,"data":{"a":"b"}}', {"a": "b"}),
    ],
)
def test_the_first_frame_holds_the_announced_params(
    announcing: Connection, text: str, params: dict[str, str] | None
) -> None:
    assert announcing.receive(text) == [Greeted(params)]
    assert opened(announcing.receive(HELLO)) == [(1, "p")]


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("junk", "Malformed TRPCConnectionParamsMessage"),
        ("", "Malformed TRPCConnectionParamsMessage"),
        ("5", "Malformed TRPCConnectionParamsMessage"),
        ("null", "Malformed TRPCConnectionParamsMessage"),
        ('[{"method":"connectionParams","data":null}]', "Malformed TRPCConnectionParamsMessage"),
        (b'{"method":"connectionParams","data":null}', "Malformed TRPCConnectionParamsMessage"),
        (b"PING", "Malformed TRPCConnectionParamsMessage"),
        (HELLO, "Invalid connection params shape"),
        ('{"method":"connectionParams"}', "Invalid connection params shape"),
        ('{"method":"connectionParams","data":["a"]}', "Invalid connection params shape"),
        ('{"method":"connectionParams","data":{"a":1}}', "Invalid connection params shape"),
        ('{"method":"connectionParams","data":{"a":"b","c":null}}', "Invalid connection params shape"),
    ],
)
def test_wrong_params_are_a_greeting_with_a_fault(
    announcing: Connection, first: str | bytes, message: str
) -> None:
    assert announcing.receive(first) == [Greeted(None, Fault("PARSE_ERROR", message))]


def test_pings_and_pongs_may_come_before_the_params(announcing: Connection) -> None:
    assert announcing.receive("PING") == [Pinged()]
    assert announcing.receive("PONG") == []
    assert announcing.receive('{"data":{"n":"1"}}') == [Greeted({"n": "1"})]


def test_params_that_come_twice_are_no_request(announcing: Connection) -> None:
    announcing.receive('{"method":"connectionParams","data":{"n":"1"}}')

    second = announcing.receive('{"method":"connectionParams","data":{"n":"2"}}')

    assert second == [parse_fault("Invalid request id")]


def test_params_that_were_not_announced_are_no_request(connection: Connection) -> None:
    events = connection.receive('{"method":"connectionParams","data":{"n":"1"}}')

    assert events == [parse_fault("Invalid request id")]


# ---------- keep-alive


def test_a_ping_wants_a_pong_and_a_pong_wants_nothing(connection: Connection) -> None:
    assert connection.receive("PING") == [Pinged()]
    assert connection.receive("PONG") == []


@pytest.mark.parametrize("text", ["ping", " PING", "PING\n", "PINGPING", '"PING'])
def test_what_only_looks_like_a_ping_is_malformed(connection: Connection, text: str) -> None:
    (event,) = connection.receive(text)

    assert isinstance(event, Rejected)
    assert event.fault.code == "PARSE_ERROR"


# ---------- requests


@pytest.mark.parametrize("kind", ["query", "mutation", "subscription"])
def test_a_request_opens_a_call(connection: Connection, kind: str) -> None:
    (event,) = connection.receive(frame(request("a", kind, "x.y", jsonrpc="2.0")))

    assert isinstance(event, Opened)
    call = event.call
    assert (call.id, call.jsonrpc, call.kind, call.path) == ("a", True, kind, "x.y")
    assert (call.input, call.batch_index) == (UNSET, 0)
    assert connection.open_calls == 1


def test_input_and_last_event_id_are_taken_from_the_params(connection: Connection) -> None:
    params = {"path": "p", "input": {"k": 1}, "lastEventId": "7"}

    (event,) = connection.receive(frame({**request(1), "params": params}))

    assert isinstance(event, Opened)
    assert (event.call.input, event.call.last_event_id) == ({"k": 1, "lastEventId": "7"}, "7")


class Shouting(IdentityTransformer):
    """Decodes text as capitals, and nothing else."""

    def decode(self, document: object) -> object:
        if isinstance(document, str):
            return document.upper()
        raise ValueError("cannot shout that")


def test_input_goes_through_the_transformer() -> None:
    connection = Connection(Shouting())

    (event,) = connection.receive('{"id":1,"method":"query","params":{"path":"p","input":"a"}}')

    assert isinstance(event, Opened)
    assert event.call.input == "A"


def test_input_that_the_transformer_refuses_refuses_the_frame() -> None:
    connection = Connection(Shouting())
    shouted = {"id": 1, "method": "query", "params": {"path": "p", "input": "a"}}

    assert connection.receive(frame(shouted, request(2))) == [parse_fault("cannot shout that")]
    assert connection.open_calls == 0


def test_malformed_json_is_refused_and_the_connection_lives_on(connection: Connection) -> None:
    (event,) = connection.receive("{")

    assert isinstance(event, Rejected)
    assert (event.id, event.jsonrpc, event.call) == (None, False, None)
    assert event.fault.code == "PARSE_ERROR"
    assert event.fault.message.startswith("Not valid JSON: ")
    assert opened(connection.receive(HELLO)) == [(1, "p")]


@pytest.mark.parametrize("data", [HELLO.encode(), b"PING", b"PONG", b"", b"\xff"])
def test_binary_frames_are_refused(connection: Connection, data: bytes) -> None:
    message = "jsonEncoder received binary data. JSON uses text frames. Use a binary encoder for binary data."

    assert connection.receive(data) == [parse_fault(message)]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("null", "Not an object"),
        ('"PING"', "Not an object"),
        ("[5]", "Not an object"),
        ('{"id":true,"method":"query"}', "Invalid request id"),
        ('{"id":1,"jsonrpc":"1.0"}', "Must be JSONRPC 2.0"),
        ('{"id":1,"method":"foo"}', "Invalid procedure type"),
        ('{"id":1,"method":"query","params":{"path":5}}', "Invalid string"),
    ],
)
def test_a_wrong_request_is_refused_without_an_id(
    connection: Connection, document: str, message: str
) -> None:
    assert connection.receive(document) == [parse_fault(message)]


@pytest.mark.parametrize("message", [request(None), stop(None), request(None, "subscription")])
def test_a_null_id_is_refused(connection: Connection, message: dict[str, Any]) -> None:
    assert connection.receive(frame(message)) == [parse_fault("`id` is required")]
    assert connection.receive(frame({**message, "jsonrpc": "2.0"})) == [
        Rejected(Fault("PARSE_ERROR", "`id` is required"), jsonrpc=True)
    ]


# ---------- batches


def test_a_batch_opens_its_calls_in_order(connection: Connection) -> None:
    events = connection.receive(frame(request(2), request(1, "mutation"), request("s", "subscription")))

    assert opened(events) == [(2, "p"), (1, "p"), ("s", "p")]
    assert [event.call.batch_index for event in events if isinstance(event, Opened)] == [0, 1, 2]
    assert connection.open_calls == 3


def test_a_batch_may_hold_one_request_or_none(connection: Connection) -> None:
    assert opened(connection.receive(f"[{HELLO}]")) == [(1, "p")]
    assert connection.receive("[]") == []


def test_one_wrong_request_refuses_its_whole_batch(connection: Connection) -> None:
    events = connection.receive(frame(request(1), {"id": 2, "method": "x"}, request(3)))

    assert events == [parse_fault("Invalid procedure type")]
    assert connection.open_calls == 0


def test_one_null_id_refuses_only_its_own_request(connection: Connection) -> None:
    first, second, third = connection.receive(frame(request(1), request(None), request(3)))

    assert second == parse_fault("`id` is required")
    assert opened([first, third]) == [(1, "p"), (3, "p")]


def test_a_batch_in_a_batch_is_refused(connection: Connection) -> None:
    assert connection.receive(f"[[{HELLO}]]") == [parse_fault("Not an object")]


def test_a_batch_of_the_maximum_size_is_served(limited: Connection) -> None:
    assert opened(limited.receive(frame(*[request(number, path="") for number in range(3)])))


def test_a_larger_batch_is_refused_call_by_call() -> None:
    connection = Connection(IDENTITY, max_batch_size=1)
    fault = Fault("BAD_REQUEST", "Batch call exceeds maximum size")
    batch = frame(
        request(1),
        stop(2),
        request("s", jsonrpc="2.0"),
        {"id": 1.5},
        request(None),
        request(True),
        5,
        {},
        request(6, jsonrpc="1.0"),
    )

    assert connection.receive(batch) == [
        Rejected(fault, 1),
        Rejected(fault, "s", True),
        Rejected(fault, 1.5),
        Rejected(fault, 6),
    ]
    assert connection.open_calls == 0


@pytest.mark.parametrize("members", ["1,2", "{},{}", '{"id":null},{"x":1}', "[],[]"])
def test_a_larger_batch_without_ids_is_refused_once(members: str) -> None:
    connection = Connection(IDENTITY, max_batch_size=1)

    assert connection.receive(f"[{members}]") == [
        Rejected(Fault("BAD_REQUEST", "Batch call exceeds maximum size"))
    ]


def test_a_request_that_is_no_batch_has_no_maximum_size() -> None:
    assert opened(Connection(IDENTITY, max_batch_size=0).receive(HELLO)) == [(1, "p")]


# ---------- oversized messages

TOO_LARGE = Fault("PAYLOAD_TOO_LARGE", f"Message exceeds the limit of {LIMIT} bytes")


@pytest.mark.parametrize("character", ["x", "é", "中", "\U0001f600"])
def test_the_limit_counts_bytes(limited: Connection, character: str) -> None:
    text = frame(request(7, path=character))

    assert opened(limited.receive(padded(text, LIMIT))) == [(7, character)]
    assert limited.receive(padded(text, LIMIT + 1)) == [Rejected(TOO_LARGE, 7)]
    assert limited.receive(padded(text, LIMIT * 5)) == [Rejected(TOO_LARGE, 7)]


@pytest.mark.parametrize("character", ["中", "\ud800"])
def test_text_of_wide_characters_only_is_measured(limited: Connection, character: str) -> None:
    assert limited.receive(character * (LIMIT // 2)) == [Rejected(TOO_LARGE)]


@pytest.mark.parametrize(
    ("text", "rejections"),
    [
        (frame(request(1)), [Rejected(TOO_LARGE, 1)]),
        (frame(request("s", jsonrpc="2.0")), [Rejected(TOO_LARGE, "s", True)]),
        (frame(request(1.5, jsonrpc="1.0")), [Rejected(TOO_LARGE, 1.5)]),
        (frame(request(1), request(2)), [Rejected(TOO_LARGE, 1), Rejected(TOO_LARGE, 2)]),
        (frame(request(1), stop(2), request(None)), [Rejected(TOO_LARGE, 1)]),
        (frame(stop(1)), [Rejected(TOO_LARGE)]),
        ('{"id":9,"params":{"input":[[[{"id":3}]]]}}', [Rejected(TOO_LARGE, 9)]),
        (frame(request(None)), [Rejected(TOO_LARGE)]),
        (frame(request(True)), [Rejected(TOO_LARGE)]),
        ("{}", [Rejected(TOO_LARGE)]),
        ("[]", [Rejected(TOO_LARGE)]),
        ("5", [Rejected(TOO_LARGE)]),
        ('{"id":1', [Rejected(TOO_LARGE)]),
        ('{"id":1,"x":' + DEEP_TEXT + "}", [Rejected(TOO_LARGE)]),
        ('{"id":"\ud800"}', [Rejected(TOO_LARGE)]),
        ("\ud800" * (LIMIT // 2), [Rejected(TOO_LARGE)]),
    ],
)
def test_an_oversized_message_is_refused_with_every_id_that_can_be_read(
    limited: Connection, text: str, rejections: list[Event]
) -> None:
    assert limited.receive(text + " " * LIMIT) == rejections
    assert limited.open_calls == 0


def test_an_oversized_message_is_not_counted_as_a_batch(limited: Connection) -> None:
    batch = frame(*[request(number) for number in range(5)])

    assert limited.receive(batch) == [Rejected(TOO_LARGE, number) for number in range(5)]


def test_without_a_limit_no_message_is_oversized(connection: Connection) -> None:
    assert opened(connection.receive(padded(HELLO, 3 << 20))) == [(1, "p")]


# ---------- whatever comes

JUNK = st.one_of(
    texts(surrogates=True),
    st.binary(max_size=20),
    st.text('{}[]:,"\\idmethoqury012.5e ', max_size=40),
)


@given(frames=st.lists(JUNK, max_size=4), announces=st.booleans(), limit=st.sampled_from([None, 10]))
def test_junk_is_an_event_and_never_an_exception(
    frames: list[str | bytes], announces: bool, limit: int | None
) -> None:
    connection = Connection(IDENTITY, announces_params=announces, max_batch_size=1, max_message_bytes=limit)
    for junk in frames:
        for event in connection.receive(junk):
            assert isinstance(event, Rejected | Greeted)
            if isinstance(event, Rejected):
                json.loads(event.head + b'"x":0}')


# ---------- closing


def test_nothing_may_be_received_after_the_close(connection: Connection) -> None:
    connection.close()

    with pytest.raises(LocalProtocolError, match=r"^receive\(\) after close\(\)$"):
        connection.receive("PONG")


@pytest.mark.parametrize(("requests", "answers"), [(MAX_REJECTIONS, MAX_REJECTIONS), (MAX_REJECTIONS + 1, 1)])
def test_very_many_requests_of_one_frame_are_refused_as_one(requests: int, answers: int) -> None:
    connection = Connection(IDENTITY, max_batch_size=1)
    events = connection.receive("[" + ",".join(['{"id":1}'] * requests) + "]")
    assert len(events) == answers


def test_connection_params_that_are_too_long_are_refused() -> None:
    connection = Connection(IDENTITY, announces_params=True, max_message_bytes=100)
    (greeted,) = connection.receive(json.dumps({"data": {"a": "x" * 100}}))
    assert isinstance(greeted, Greeted)
    assert greeted.fault is not None
    assert greeted.fault.code == "PAYLOAD_TOO_LARGE"
