"""The life of the calls of one connection, and the frames that tell of it."""

from typing import Any

import pytest

from tests.tidewire_protocol.frames import frame, request, stop
from tidewire_protocol import (
    IDENTITY,
    Call,
    Cancelled,
    Connection,
    Fault,
    LocalProtocolError,
    Opened,
    Rejected,
    Step,
)
from tidewire_protocol.codec import data_tail, error_shape, error_tail, frame_head

DATA = data_tail("d", IDENTITY)
ERROR = error_tail(error_shape("CONFLICT", "no"), IDENTITY)

STARTED_FRAME = b'{"id":1,"result":{"type":"started"}}'
DATA_FRAME = b'{"id":1,"result":{"type":"data","data":"d"}}'
ERROR_FRAME = b'{"id":1,"error":{"message":"no","code":-32009,"data":{"code":"CONFLICT","httpStatus":409}}}'
STOPPED_FRAME = b'{"id":1,"result":{"type":"stopped"}}'


@pytest.fixture
def connection() -> Connection:
    return Connection(IDENTITY)


def ask(connection: Connection, request_id: object = 1, method: str = "query", **fields: Any) -> Call:
    (event,) = connection.receive(frame(request(request_id, method, **fields)))
    assert isinstance(event, Opened)
    return event.call


def subscribe(connection: Connection, request_id: object = 1, **fields: Any) -> Call:
    return ask(connection, request_id, "subscription", **fields)


def go_live(connection: Connection, request_id: object = 1) -> Call:
    call = subscribe(connection, request_id)
    connection.advance(call, Step.START)
    return call


# ---------- queries and mutations


@pytest.mark.parametrize("method", ["query", "mutation"])
@pytest.mark.parametrize(
    ("step", "tail", "sent"), [(Step.ANSWER, DATA, DATA_FRAME), (Step.FAIL, ERROR, ERROR_FRAME)]
)
def test_a_call_is_over_with_its_one_answer(
    connection: Connection, method: str, step: Step, tail: bytes, sent: bytes
) -> None:
    call = ask(connection, method=method)

    assert connection.advance(call, step, tail) == [sent]
    assert connection.open_calls == 0
    with pytest.raises(LocalProtocolError, match=f"^{step.name} on a call that is not open$"):
        connection.advance(call, step, tail)


def test_calls_may_share_an_id_and_are_answered_in_any_order(connection: Connection) -> None:
    first, second = ask(connection, path="a"), ask(connection, path="b")

    assert connection.open_calls == 2
    assert connection.advance(second, Step.ANSWER, DATA) == [DATA_FRAME]
    assert connection.open_calls == 1
    assert connection.advance(first, Step.FAIL, ERROR) == [ERROR_FRAME]


@pytest.mark.parametrize(
    ("request_id", "echoed"),
    [
        ("1.0", "1"),
        ("1e21", "1e+21"),
        ("-0", "0"),
        ("1E2", "100"),
        ("9007199254740993", "9007199254740992"),
        ("1e400", "null"),
        ("9" * 400, "null"),
        ('"1"', '"1"'),
        ('""', '""'),
        ('"\\ud800"', '"\\ud800"'),
        ('"\\u4e2d"', '"中"'),
    ],
)
def test_the_id_is_echoed_as_the_reference_echoes_it(
    connection: Connection, request_id: str, echoed: str
) -> None:
    (event,) = connection.receive(f'{{"id":{request_id},"method":"query","params":{{"path":"p"}}}}')

    assert isinstance(event, Opened)
    (sent,) = connection.advance(event.call, Step.ANSWER, DATA)
    assert sent.decode() == f'{{"id":{echoed},"result":{{"type":"data","data":"d"}}}}'


def test_jsonrpc_is_said_back_in_every_frame_if_it_was_said(connection: Connection) -> None:
    call = subscribe(connection, jsonrpc="2.0")
    steps = [(Step.START, b""), (Step.EMIT, DATA), (Step.FAIL, ERROR)]
    sent = [each for step, tail in steps for each in connection.advance(call, step, tail)]

    plain = [STARTED_FRAME, DATA_FRAME, ERROR_FRAME, STOPPED_FRAME]
    assert sent == [each.replace(b'"id":1,', b'"id":1,"jsonrpc":"2.0",') for each in plain]


# ---------- subscriptions


def test_a_subscription_starts_streams_and_stops(connection: Connection) -> None:
    call = subscribe(connection)

    assert connection.advance(call, Step.START) == [STARTED_FRAME]
    assert connection.advance(call, Step.EMIT, DATA) == [DATA_FRAME]
    assert connection.advance(call, Step.EMIT, DATA) == [DATA_FRAME]
    assert connection.open_calls == 1
    assert connection.advance(call, Step.END) == [STOPPED_FRAME]
    assert connection.open_calls == 0


def test_an_error_before_the_start_is_the_only_frame(connection: Connection) -> None:
    call = subscribe(connection)

    assert connection.advance(call, Step.FAIL, ERROR) == [ERROR_FRAME]
    assert connection.open_calls == 0


def test_an_error_in_the_stream_is_followed_by_stopped(connection: Connection) -> None:
    call = go_live(connection)

    assert connection.advance(call, Step.FAIL, ERROR) == [ERROR_FRAME, STOPPED_FRAME]
    assert connection.open_calls == 0


# ---------- stopping


def test_a_stop_cancels_and_nothing_but_the_end_is_sent_after_it(connection: Connection) -> None:
    call = go_live(connection)

    assert connection.receive(frame(stop(1))) == [Cancelled(call)]
    assert connection.advance(call, Step.EMIT, DATA) == []
    assert connection.open_calls == 1, "it is cleaning up"
    assert connection.advance(call, Step.END) == [STOPPED_FRAME]
    assert connection.open_calls == 0


def test_an_error_after_a_stop_is_only_its_end(connection: Connection) -> None:
    call = go_live(connection)
    connection.receive(frame(stop(1)))

    assert connection.advance(call, Step.FAIL, ERROR) == [STOPPED_FRAME]


@pytest.mark.parametrize("last", [Step.END, Step.FAIL])
def test_a_stop_during_setup_is_answered_with_stopped_only(connection: Connection, last: Step) -> None:
    call = subscribe(connection)

    assert connection.receive(frame(stop(1))) == [Cancelled(call)]
    assert connection.advance(call, Step.START) == []
    assert connection.advance(call, Step.EMIT, DATA) == []
    assert connection.advance(call, last, ERROR) == [STOPPED_FRAME]


def test_a_subscription_may_be_stopped_in_the_batch_that_opens_it(connection: Connection) -> None:
    first, second = connection.receive(frame(request(1, "subscription"), stop(1)))

    assert isinstance(first, Opened)
    assert second == Cancelled(first.call)


@pytest.mark.parametrize("request_id", [77, "x", "1", 1.5])
def test_a_stop_of_an_unknown_id_means_nothing(connection: Connection, request_id: object) -> None:
    call = go_live(connection)

    assert connection.receive(frame(stop(request_id))) == []
    assert connection.advance(call, Step.EMIT, DATA) == [DATA_FRAME]


def test_a_second_stop_means_nothing(connection: Connection) -> None:
    call = go_live(connection)
    connection.receive(frame(stop(1)))

    assert connection.receive(frame(stop(1))) == []
    assert connection.advance(call, Step.END) == [STOPPED_FRAME]
    assert connection.receive(frame(stop(1))) == []


def test_a_stop_finds_the_number_however_it_is_written(connection: Connection) -> None:
    call = go_live(connection, 1)

    assert connection.receive('{"id":1.0,"method":"subscription.stop"}') == [Cancelled(call)]


@pytest.mark.parametrize("method", ["query", "mutation"])
def test_a_stop_does_not_reach_a_query_or_a_mutation(connection: Connection, method: str) -> None:
    call = ask(connection, method=method)

    assert connection.receive(frame(stop(1))) == []
    assert connection.advance(call, Step.ANSWER, DATA) == [DATA_FRAME]


def test_the_owner_may_stop_a_subscription_too(connection: Connection) -> None:
    call = go_live(connection)

    assert connection.advance(call, Step.STOP) == []
    assert connection.receive(frame(stop(1))) == []
    assert connection.advance(call, Step.EMIT, DATA) == []
    assert connection.advance(call, Step.END) == [STOPPED_FRAME]


# ---------- ids of subscriptions


def test_a_second_subscription_with_the_id_of_an_open_one_is_refused(connection: Connection) -> None:
    call = go_live(connection)

    (event,) = connection.receive(frame(request(1, "subscription", "other", jsonrpc="2.0")))

    assert isinstance(event, Rejected)
    assert (event.fault, event.id, event.jsonrpc) == (Fault("BAD_REQUEST", "Duplicate id 1"), 1, True)
    assert event.call is not None
    assert event.call.path == "other"
    assert connection.open_calls == 1
    assert connection.advance(call, Step.END) == [STOPPED_FRAME]


@pytest.mark.parametrize("steps", [[], [Step.START], [Step.STOP], [Step.START, Step.STOP]])
def test_an_id_is_taken_until_its_subscription_is_over(connection: Connection, steps: list[Step]) -> None:
    call = subscribe(connection)
    for step in steps:
        connection.advance(call, step)

    assert isinstance(connection.receive(frame(request(1, "subscription")))[0], Rejected)


def test_a_duplicate_id_in_one_batch_is_refused(connection: Connection) -> None:
    first, second = connection.receive(frame(request("a", "subscription"), request("a", "subscription")))

    assert isinstance(first, Opened)
    assert isinstance(second, Rejected)
    assert second.fault.message == "Duplicate id a"


@pytest.mark.parametrize(
    ("request_id", "text"),
    [("1.0", "1"), ("1e21", "1e+21"), ("-0.25", "-0.25"), ('"\\ud800"', "\ud800"), ('""', "")],
)
def test_a_duplicate_id_is_named_as_javascript_writes_it(
    connection: Connection, request_id: str, text: str
) -> None:
    message = f'{{"id":{request_id},"method":"subscription","params":{{"path":"p"}}}}'
    connection.receive(message)

    (event,) = connection.receive(message)

    assert isinstance(event, Rejected)
    assert event.fault.message == f"Duplicate id {text}"


def test_a_number_and_a_string_are_two_ids(connection: Connection) -> None:
    go_live(connection, 1)

    assert subscribe(connection, "1").id == "1"


@pytest.mark.parametrize(
    "ending",
    [
        [(Step.START, b""), (Step.END, b"")],
        [(Step.START, b""), (Step.FAIL, ERROR)],
        [(Step.FAIL, ERROR)],
        [(Step.STOP, b""), (Step.END, b"")],
    ],
)
def test_an_id_is_free_again_when_its_subscription_is_over(
    connection: Connection, ending: list[tuple[Step, bytes]]
) -> None:
    first = subscribe(connection)
    for step, tail in ending:
        connection.advance(first, step, tail)

    second = subscribe(connection)

    assert connection.advance(second, Step.START) == [STARTED_FRAME]
    assert connection.receive(frame(stop(1))) == [Cancelled(second)]
    with pytest.raises(LocalProtocolError):
        connection.advance(first, Step.EMIT, DATA)


def test_a_query_may_have_the_id_of_a_subscription(connection: Connection) -> None:
    streaming = go_live(connection)
    query = ask(connection)

    assert connection.advance(query, Step.ANSWER, DATA) == [DATA_FRAME]
    assert connection.advance(streaming, Step.EMIT, DATA) == [DATA_FRAME]
    assert connection.receive(frame(stop(1))) == [Cancelled(streaming)]


# ---------- what the owner must not do


@pytest.mark.parametrize(
    ("method", "before", "step", "state"),
    [
        ("query", [], Step.EMIT, "ASKED"),
        ("mutation", [], Step.STOP, "ASKED"),
        ("subscription", [], Step.EMIT, "SETUP"),
        ("subscription", [], Step.ANSWER, "SETUP"),
        ("subscription", [Step.START], Step.START, "LIVE"),
        ("subscription", [Step.STOP], Step.ANSWER, "STOPPING"),
        ("subscription", [Step.START, Step.END], Step.END, "not open"),
    ],
)
def test_a_step_that_the_state_does_not_allow_is_an_error_and_changes_nothing(
    connection: Connection, method: str, before: list[Step], step: Step, state: str
) -> None:
    call = ask(connection, method=method)
    for earlier in before:
        connection.advance(call, earlier)
    open_calls = connection.open_calls

    for _ in range(2):
        with pytest.raises(LocalProtocolError, match=f"^{step.name} on a call that is {state}$"):
            connection.advance(call, step, DATA)
    assert connection.open_calls == open_calls


def test_a_call_of_another_connection_is_not_known(connection: Connection) -> None:
    ask(connection)
    stranger = ask(Connection(IDENTITY))

    with pytest.raises(LocalProtocolError, match=r"^ANSWER on a call that is not open$"):
        connection.advance(stranger, Step.ANSWER, DATA)


def test_a_refused_call_is_not_known(connection: Connection) -> None:
    go_live(connection)
    (event,) = connection.receive(frame(request(1, "subscription")))
    assert isinstance(event, Rejected)
    assert event.call is not None

    with pytest.raises(LocalProtocolError):
        connection.advance(event.call, Step.FAIL, ERROR)


# ---------- closing


def test_the_close_gives_the_calls_that_were_open(connection: Connection) -> None:
    done, asked, streaming = ask(connection, 1), ask(connection, 2), go_live(connection, 3)
    connection.advance(done, Step.ANSWER, DATA)

    assert connection.close() == [asked, streaming]
    assert connection.open_calls == 0
    assert connection.close() == []


def test_after_the_close_no_step_sends_anything(connection: Connection) -> None:
    asked, streaming = ask(connection, 1), go_live(connection, 2)
    connection.close()

    assert connection.advance(asked, Step.ANSWER, DATA) == []
    assert connection.advance(streaming, Step.EMIT, DATA) == []
    assert connection.advance(streaming, Step.END) == []
    assert connection.advance(streaming, Step.END) == []


def test_a_rejection_is_answered_with_its_own_head(connection: Connection) -> None:
    go_live(connection, "s")

    (event,) = connection.receive(frame(request("s", "subscription", jsonrpc="2.0")))

    assert isinstance(event, Rejected)
    assert event.head == frame_head("s", True) == b'{"id":"s","jsonrpc":"2.0",'
