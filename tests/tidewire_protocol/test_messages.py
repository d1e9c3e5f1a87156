"""What a parsed frame may say."""

from typing import Any

import pytest
from msgspec import UNSET

from tidewire_protocol import IDENTITY, Call, CallKind
from tidewire_protocol.messages import (
    MessageError,
    MissingIdError,
    Stop,
    is_request_id,
    parse_connection_params,
    parse_message,
)

ABSENT: Any = object()


def query(**fields: Any) -> dict[str, Any]:
    """Make a request, with the fields that are ABSENT left out."""
    message = {"id": 1, "method": "query", "params": {"path": "hello"}, **fields}
    return {key: value for key, value in message.items() if value is not ABSENT}


def parse(document: object) -> Call:
    call = parse_message(document, IDENTITY)
    assert isinstance(call, Call)
    return call


class Refusing:
    """A transformer that takes no input at all."""

    name = "refusing"

    def encode(self, value: object) -> bytes | None:
        raise TypeError

    def encode_tracked(self, event_id: str, value: object) -> bytes:
        raise TypeError

    def decode(self, document: object) -> object:
        raise ValueError("not for me")


@pytest.mark.parametrize("kind", ["query", "mutation", "subscription"])
def test_a_request_becomes_a_call(kind: CallKind) -> None:
    call = parse_message(query(method=kind, params={"path": "a.b", "input": {"k": [1]}}), IDENTITY, 3)

    assert isinstance(call, Call)
    assert (call.id, call.jsonrpc, call.kind, call.path) == (1, False, kind, "a.b")
    assert (call.input, call.last_event_id, call.batch_index) == ({"k": [1]}, None, 3)


def test_a_request_is_the_first_of_its_frame_unless_told_otherwise() -> None:
    assert parse(query()).batch_index == 0


@pytest.mark.parametrize(
    ("params", "value"),
    [({"path": "p"}, UNSET), ({"path": "p", "input": None}, None), ({"path": "", "input": 0}, 0)],
)
def test_an_absent_input_is_not_null(params: dict[str, Any], value: object) -> None:
    assert parse(query(params=params)).input is value


def test_fields_that_mean_nothing_are_ignored() -> None:
    call = parse(
        query(extra={"x": 1}, error="x", result="y", params={"path": "p", "type": "mutation", "context": {}})
    )

    assert (call.kind, call.path, call.input) == ("query", "p", UNSET)


@pytest.mark.parametrize(("fields", "said"), [({}, False), ({"jsonrpc": "2.0"}, True)])
def test_a_call_knows_whether_jsonrpc_was_said(fields: dict[str, Any], said: bool) -> None:
    assert parse(query(**fields)).jsonrpc is said


@pytest.mark.parametrize("fields", [{}, {"jsonrpc": "2.0"}, {"params": 5}])
def test_a_stop_needs_nothing_but_an_id(fields: dict[str, Any]) -> None:
    assert parse_message({"id": "s", "method": "subscription.stop", **fields}, IDENTITY) == Stop("s")


def test_two_calls_are_never_equal_and_can_be_keys() -> None:
    first, second = (
        parse(query(params={"path": "p", "input": []})),
        parse(query(params={"path": "p", "input": []})),
    )

    assert first != second
    assert len({first, second}) == 2


def test_messages_cannot_be_changed() -> None:
    stop: Any = Stop(1)

    with pytest.raises(AttributeError):
        stop.id = 2


def test_a_call_has_no_input_and_is_the_first_of_its_frame_unless_told_otherwise() -> None:
    call = Call(id=1, jsonrpc=False, kind="query", path="p")

    assert (call.input, call.last_event_id, call.batch_index) == (UNSET, None, 0)


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        (1, True),
        (-0.25, True),
        ("", True),
        (float("inf"), True),
        (True, False),
        (None, False),
        ([], False),
        ({}, False),
        (UNSET, False),
    ],
)
def test_an_id_is_a_string_or_a_number(value: object, valid: bool) -> None:
    assert is_request_id(value) is valid


NOT_AN_OBJECT = "Not an object"
INVALID_ID = "Invalid request id"
NOT_JSONRPC = "Must be JSONRPC 2.0"
INVALID_METHOD = "Invalid procedure type"
INVALID_STRING = "Invalid string"

WRONG_DOCUMENTS: list[object] = [None, 5, True, "PING", [], [query()]]
WRONG_STRINGS: list[object] = [None, 5, {}, ["L"], True]
WRONG_METHODS = [ABSENT, None, "foo", "QUERY", "", ["query"], {}, 1, "connectionParams", "subscription.stop "]

WRONG_FIELDS: list[tuple[str, list[Any], str]] = [
    ("id", [ABSENT, True, False, [], {}, ["a"]], INVALID_ID),
    ("jsonrpc", ["1.0", 2, 2.0, None, "", []], NOT_JSONRPC),
    ("method", WRONG_METHODS, INVALID_METHOD),
    ("params", [ABSENT, None, "hello", 5, [], ["hello"]], NOT_AN_OBJECT),
    ("params", [{}, *({"path": path} for path in WRONG_STRINGS)], INVALID_STRING),
    ("params", [{"path": "p", "lastEventId": last} for last in WRONG_STRINGS], INVALID_STRING),
]

REFUSED: list[tuple[object, str]] = [
    *[(document, NOT_AN_OBJECT) for document in WRONG_DOCUMENTS],
    *[(query(**{name: value}), message) for name, values, message in WRONG_FIELDS for value in values],
    # Each breaks one check and everything behind it.
    ({"method": "foo", "jsonrpc": "1.0"}, INVALID_ID),
    ({"id": True, "method": "foo"}, INVALID_ID),
    ({"id": True, "method": "subscription.stop"}, INVALID_ID),
    (query(jsonrpc="1.0", method="foo", params=5), NOT_JSONRPC),
    ({"id": 1, "jsonrpc": "1.0", "method": "subscription.stop"}, NOT_JSONRPC),
    (query(method="foo", params=5), INVALID_METHOD),
    (query(params=[]), NOT_AN_OBJECT),
    (query(params={"path": 5, "lastEventId": 5}), INVALID_STRING),
    # An id that is null is well-formed, so what else is wrong is said first.
    (query(id=None, jsonrpc="1.0"), NOT_JSONRPC),
    (query(id=None, method="foo"), INVALID_METHOD),
    (query(id=None, params=5), NOT_AN_OBJECT),
    (query(id=None, params={"path": 5}), INVALID_STRING),
]


@pytest.mark.parametrize(("document", "message"), REFUSED)
def test_the_first_failed_check_is_reported(document: object, message: str) -> None:
    with pytest.raises(MessageError, match=f"^{message}$"):
        parse_message(document, IDENTITY)


@pytest.mark.parametrize("method", ["query", "mutation", "subscription", "subscription.stop"])
@pytest.mark.parametrize(("fields", "said"), [({}, False), ({"jsonrpc": "2.0"}, True)])
def test_a_null_id_is_refused_on_its_own(method: str, fields: dict[str, Any], said: bool) -> None:
    with pytest.raises(MissingIdError, match=r"^`id` is required$") as caught:
        parse_message(query(id=None, method=method, **fields), IDENTITY)

    assert caught.value.jsonrpc is said


def test_an_input_that_cannot_be_decoded_is_refused_after_all_checks_but_the_null_id() -> None:
    with pytest.raises(MessageError, match=INVALID_STRING):
        parse_message(query(params={"path": 5}), Refusing())
    with pytest.raises(ValueError, match="not for me"):
        parse_message(query(id=None), Refusing())


@pytest.mark.parametrize(
    ("params", "value"),
    [
        ({}, {"lastEventId": "L"}),
        ({"input": None}, {"lastEventId": "L"}),
        ({"input": {}}, {"lastEventId": "L"}),
        ({"input": {"k": 1}}, {"k": 1, "lastEventId": "L"}),
        ({"input": {"lastEventId": "old", "k": 1}}, {"lastEventId": "L", "k": 1}),
        ({"input": "text"}, "text"),
        ({"input": ""}, ""),
        ({"input": 0}, 0),
        ({"input": False}, False),
        ({"input": [1]}, [1]),
    ],
)
@pytest.mark.parametrize("kind", ["query", "mutation", "subscription"])
def test_the_last_event_id_is_merged_into_objects_and_stands_for_no_input(
    params: dict[str, Any], value: object, kind: str
) -> None:
    call = parse(query(method=kind, params={"path": "p", "lastEventId": "L", **params}))

    assert call.input == value
    assert repr(call.input) == repr(value), "the keys are in the order of the reference"
    assert call.last_event_id == "L"


def test_an_empty_last_event_id_is_one_too() -> None:
    call = parse(query(params={"path": "p", "input": {"k": 1}, "lastEventId": ""}))

    assert (call.input, call.last_event_id) == ({"k": 1, "lastEventId": ""}, "")


def test_a_last_event_id_in_the_input_alone_counts_too() -> None:
    call = parse(query(params={"path": "p", "input": {"lastEventId": "L"}}))

    assert (call.input, call.last_event_id) == ({"lastEventId": "L"}, "L")


@pytest.mark.parametrize(
    "value", [{"lastEventId": ""}, {"lastEventId": 5}, {"lastEventId": None}, ["L"], "L"]
)
def test_what_is_no_last_event_id_in_the_input_does_not_count(value: object) -> None:
    assert parse(query(params={"path": "p", "input": value})).last_event_id is None


@pytest.mark.parametrize(
    ("document", "params"),
    [
        ({"method": "connectionParams", "data": {"token": "t", "empty": ""}}, {"token": "t", "empty": ""}),
        ({"method": "connectionParams", "data": {}}, {}),
        ({"method": "connectionParams", "data": None}, None),
        ({"whatever": 1, "data": {"a": "b"}}, {"a": "b"}),
    ],
)
def test_connection_params_are_strings_or_null(document: object, params: object) -> None:
    assert parse_connection_params(document) == params


MALFORMED_PARAMS = "Malformed TRPCConnectionParamsMessage"
INVALID_PARAMS = "Invalid connection params shape"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        *[(document, MALFORMED_PARAMS) for document in (None, 5, "junk", [], [{"data": None}])],
        *[
            ({"method": "connectionParams", "data": data}, INVALID_PARAMS)
            for data in ({"a": 1}, {"a": "b", "c": None}, {"a": ["b"]}, ["a"], [], "a", 5, True, False)
        ],
        ({"method": "connectionParams"}, INVALID_PARAMS),
        ({}, INVALID_PARAMS),
        (query(), INVALID_PARAMS),
    ],
)
def test_other_connection_params_are_refused(document: object, message: str) -> None:
    with pytest.raises(MessageError, match=f"^{message}$"):
        parse_connection_params(document)
