"""One client and what it counts, without a socket."""

import ssl

import msgspec
import pytest

from tidewire.load.client import Client
from tidewire.load.messages import read_error, request
from tidewire.load.plan import Kind, Plan
from tidewire.load.tally import Slice

SECOND = 1_000_000_000


class Crew:
    """A `client.Crew` that keeps what it hears."""

    tls: ssl.SSLContext | None = None
    window = 100
    is_over = False
    open_calls = 0

    def __init__(self, kind: Kind, *, repeat: bool = False) -> None:
        self.plan = Plan(url="ws://127.0.0.1/", path="a", kind=kind, repeat=repeat, rate=None)
        self.tally = Slice()
        self.endings = 0

    def input(self, client: Client, call: int) -> str | None:
        return None

    def fail(self, code: str, message: str) -> None:
        self.tally.fail(code, message)

    def joined(self) -> None: ...

    def ended(self) -> None:
        self.endings += 1


def result(**fields: object) -> bytes:
    return msgspec.json.encode({"id": 1, "result": fields})


def test_latency_counts_from_when_a_call_was_due() -> None:
    crew = Crew("query")
    client = Client(crew, 0)
    client.start(due=5 * SECOND)
    client.received([result(type="data", data="x")], 10, 7 * SECOND)
    assert list(crew.tally.latencies["round_trip"]) == [1_999_872]
    assert (crew.tally.answered, crew.tally.bytes) == (1, 10)


def test_a_subscription_from_its_start_to_its_end() -> None:
    crew = Crew("subscription")
    client = Client(crew, 0)
    client.start(due=0)
    client.received([result(type="started")], 1, 1_000_000)
    for number, moment in ((1, 2_000_000), (2, 2_500_000)):
        client.received([result(type="data", data={}, id=str(number))], 1, moment)
    client.received([result(type="stopped")], 1, 3_000_000)
    tally = crew.tally
    assert {name: list(buckets) for name, buckets in tally.latencies.items() if buckets} == {
        "round_trip": [1000],
        "first_event": [2000],
        "gap": [500],
    }
    assert (tally.started, tally.events, tally.completed, crew.endings) == (1, 2, 1, 1)
    assert (crew.open_calls, client.calls) == (0, {})


def test_a_lost_subscription_goes_on_after_its_last_event() -> None:
    crew = Crew("subscription")
    client = Client(crew, 0)
    client.start(due=0)
    client.received([result(type="started"), result(type="data", data=1, id="e.1")], 1, 1_000_000)
    client.lost("CLOSED", "gone")
    (call,) = client.calls.values()
    assert b'"lastEventId":"e.1"' in call.request(crew.plan)
    assert crew.tally.failures["CLOSED"].count == 1
    client.received([result(type="started"), result(type="data", data=1, id="e.1")], 1, SECOND)
    assert crew.tally.order.duplicated == 1
    assert sum(crew.tally.latencies["resume"].values()) == 1
    assert (crew.tally.started, sum(crew.tally.latencies["round_trip"].values())) == (1, 1)


def test_an_event_without_an_id_makes_it_forget_where_it_was() -> None:
    crew = Crew("subscription")
    client = Client(crew, 0)
    client.start(due=0)
    client.received([result(type="data", data=1, id="e.1"), result(type="data", data=2)], 1, 1)
    client.lost("CLOSED", "gone")
    assert b"lastEventId" not in next(iter(client.calls.values())).request(crew.plan)


def test_a_query_under_way_is_lost_with_its_connection() -> None:
    crew = Crew("query")
    client = Client(crew, 0)
    client.start(due=0)
    client.lost("CONNECTION_LOST", "gone")
    assert set(crew.tally.failures) == {"CONNECTION_LOST", "CALL_LOST"}
    assert (client.calls, crew.open_calls) == ({}, 0)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b'{"id":1,"error":{"code":-32004,"message":"m","data":{"code":"NOT_FOUND"}}}', "NOT_FOUND"),
        (b'{"id":1,"error":{"json":{"code":-1,"message":"m","data":{"code":"CONFLICT"}}}}', "CONFLICT"),
        (b'{"id":null,"error":{"message":"m","data":{"code":"PARSE_ERROR"}}}', "PARSE_ERROR"),
        (b"what?", "NOT_TRPC"),
        (b'{"id":[]}', "NOT_TRPC"),
        (b"\xff\xfe", "NOT_TRPC"),
    ],
)
def test_failures_are_counted_by_code(message: bytes, code: str) -> None:
    crew = Crew("subscription")
    client = Client(crew, 0)
    client.start(due=0)
    client.received([message], 1, 1)
    assert [*crew.tally.failures] == [code]


@pytest.mark.parametrize(
    "message", [b"PONG", b'{"id":99,"result":{"type":"stopped"}}', b'{"id":null,"method":"new"}']
)
def test_what_answers_no_call_is_ignored(message: bytes) -> None:
    crew = Crew("subscription")
    Client(crew, 0).received([message], 1, 1)
    assert crew.tally.failures == {}


@pytest.mark.parametrize("raw", [b"null", b"[]", b'{"data":{"code":5}}', b'{"message":null}', b"{"])
def test_strange_errors_have_a_code_too(raw: bytes) -> None:
    assert all(isinstance(part, str) for part in read_error(raw))


def test_superjson_wraps_inputs() -> None:
    assert b'"input":{"json":null,"meta":{"values":["undefined"]}}' in request(
        1, "query", "a", None, "superjson"
    )
    assert request(1, "query", 'a"b', '{"x":1}', "superjson", None) == (
        b'{"id":1,"method":"query","params":{"path":"a\\"b","input":{"json":{"x":1}}}}'
    )
