"""A connection under random frames and random steps never breaks the rules of the wire."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.tidewire_protocol.documents import DEEP_TEXT, documents
from tests.tidewire_protocol.frames import frame, request, stop
from tidewire_protocol import (
    IDENTITY,
    Call,
    Cancelled,
    Connection,
    Event,
    Greeted,
    LocalProtocolError,
    Opened,
    Pinged,
    Rejected,
    Step,
)
from tidewire_protocol.codec import data_tail, error_shape, error_tail, tracked_tail

# JSON texts: the first three are one id, the next two another; the last two are null on the wire.
IDS = ["1", "1.0", "1e0", '"1"', '"\\u0031"', "-0.25", '""', '"\\ud800"', "1e400", "9" * 400]
PLACEHOLDER = "the id"


def with_id(text: str, message: dict[str, Any]) -> str:
    return frame(message).replace(f'"{PLACEHOLDER}"', text)


def batch(members: list[str]) -> str:
    return f"[{','.join(members)}]"


def asking(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[str]:
    """Draw the text of a request in which some fields are as wanted."""
    return st.builds(with_id, st.sampled_from(IDS), st.builds(request, st.just(PLACEHOLDER), **fields))


messages = st.one_of(
    asking(method=st.sampled_from(["query", "mutation", "subscription"])),
    asking(method=st.just("subscription")),
    asking(method=st.just("subscription"), jsonrpc=st.just("2.0")),
    st.builds(with_id, st.sampled_from(IDS), st.just(stop(PLACEHOLDER))),
)
wrong_messages = st.one_of(
    st.builds(request, st.sampled_from([None, True, [], {}])).map(frame),
    asking(method=st.sampled_from(["", "foo", "QUERY"])),
    asking(path=st.sampled_from([None, 5, []])),
    asking(jsonrpc=st.sampled_from(["1.0", None])),
    documents(surrogates=True).map(frame),
)
good_frames = messages | st.lists(messages, max_size=5).map(batch)
bad_frames = st.one_of(
    wrong_messages,
    st.lists(messages | wrong_messages, max_size=5).map(batch),
    st.tuples(good_frames, st.integers(0, 80)).map(lambda pair: pair[0][: pair[1]]),
    good_frames.map(lambda text: text + " " * 600),
    st.text(max_size=8),
    st.sampled_from(["", "PING", "PONG", "ping", "[]", b"PING", b"\xff"]),
    st.sampled_from(["", "x"]).map(lambda end: DEEP_TEXT + end),
)
TAILS = {
    Step.ANSWER: [data_tail({"a": 1}, IDENTITY)],
    Step.EMIT: [data_tail(None, IDENTITY), tracked_tail("\ud800", 1, IDENTITY)],
    Step.FAIL: [error_tail(error_shape("CONFLICT", "\ud800"), IDENTITY)],
}

# What the frames of one call may be, from its first to its last; `?` and `*` as in any pattern.
WHOLE_LIVES = {
    "query": r"(data|error) ",
    "mutation": r"(data|error) ",
    "subscription": r"error |started (data )*(error )?stopped ",
    "stopped subscription": r"(started (data )*)?stopped ",
}


@dataclass
class Life:
    """What was seen of one call."""

    call: Call
    stopped: bool = False
    over: bool = False
    sent: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return f"stopped {self.call.kind}" if self.stopped else self.call.kind


def kind_of(sent: dict[str, Any]) -> str:
    return "error" if "error" in sent else str(sent["result"]["type"])


def id_on_the_wire(call: Call) -> object:
    """Give the id as it must come back: what a double cannot hold is null."""
    if isinstance(call.id, str):
        return call.id
    return None if abs(call.id) > 1e308 else float(call.id)


def read_by_a_client(sent: bytes) -> dict[str, Any]:
    document = json.loads(sent.decode("utf-8"), parse_constant=lambda name: 1 / 0)
    assert isinstance(document, dict)
    return document


class ConnectionMachine(RuleBasedStateMachine):
    """Feeds a connection, and keeps the books on what it says and sends."""

    def __init__(self) -> None:
        super().__init__()
        self.lives: list[Life] = []
        self.connection = Connection(IDENTITY)
        self.greeted = True

    @property
    def open(self) -> list[Life]:
        return [life for life in self.lives if not life.over]

    @property
    def streaming(self) -> list[Life]:
        return [life for life in self.open if life.call.kind == "subscription"]

    @initialize(
        announces_params=st.booleans(), limit=st.sampled_from([None, 500]), size=st.sampled_from([None, 3])
    )
    def connect(self, announces_params: bool, limit: int | None, size: int | None) -> None:
        self.connection = Connection(
            IDENTITY, announces_params=announces_params, max_batch_size=size, max_message_bytes=limit
        )
        self.greeted = self.connection.open() == [Greeted(None)]
        assert self.greeted is not announces_params

    # ---------- what the peer does

    @rule(text=good_frames)
    def receive_what_is_right(self, text: str) -> None:
        self.receive(text)

    @rule(junk=bad_frames)
    def receive_what_is_wrong(self, junk: str | bytes) -> None:
        self.receive(junk)

    def receive(self, text: str | bytes) -> None:
        for event in self.connection.receive(text):
            self.note(event)

    def note(self, event: Event) -> None:
        match event:
            case Opened(call):
                assert self.greeted
                if call.kind == "subscription":
                    assert call.id not in [life.call.id for life in self.open if life.call.kind == call.kind]
                self.lives.append(Life(call))
            case Cancelled(call):
                (life,) = [life for life in self.open if life.call is call]
                assert call.kind == "subscription"
                assert not life.stopped
                life.stopped = True
            case Rejected():
                tail = error_tail(error_shape(event.fault.code, event.fault.message), IDENTITY)
                answer = read_by_a_client(event.head + tail)
                assert kind_of(answer) == "error"
                assert (answer["id"] is None) or not isinstance(answer["id"], bool)
            case Greeted():
                assert not self.greeted
                self.greeted = True
            case Pinged():
                pass

    # ---------- what the owner does

    @rule(data=st.data(), step=st.sampled_from(Step))
    def take_any_step(self, data: st.DataObject, step: Step) -> None:
        """Of a call that is open or over; what has no meaning must change nothing."""
        if not self.lives:
            return
        life = data.draw(st.sampled_from(self.lives))
        before = self.connection.open_calls
        try:
            self.advance(data, life, step)
        except LocalProtocolError:
            assert self.connection.open_calls == before

    @precondition(lambda self: self.streaming)
    @rule(data=st.data())
    def stream(self, data: st.DataObject) -> None:
        """Start a subscription, or emit an event."""
        life = data.draw(st.sampled_from(self.streaming))
        self.advance(data, life, Step.EMIT if life.sent else Step.START)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), well=st.booleans())
    def finish(self, data: st.DataObject, well: bool) -> None:
        """A procedure that ends must be able to say so, however its client behaves."""
        life = data.draw(st.sampled_from(self.open))
        if life.call.kind != "subscription":
            self.advance(data, life, Step.ANSWER if well else Step.FAIL)
        else:
            self.advance(data, life, Step.END if well and (life.sent or life.stopped) else Step.FAIL)
        assert life.over

    def advance(self, data: st.DataObject, life: Life, step: Step) -> None:
        tail = data.draw(st.sampled_from(TAILS.get(step, [b""])))
        frames = self.connection.advance(life.call, step, tail)
        assert not life.over
        self.keep(life, frames, step)

    def keep(self, life: Life, frames: list[bytes], step: Step) -> None:
        life.stopped |= step is Step.STOP
        for sent in map(read_by_a_client, frames):
            assert sent["id"] == id_on_the_wire(life.call)
            assert sent.get("jsonrpc") == ("2.0" if life.call.jsonrpc else None)
            life.sent.append(kind_of(sent))
        life.over = self.is_whole(life)

    @staticmethod
    def is_whole(life: Life) -> bool:
        return re.fullmatch(WHOLE_LIVES[life.kind], _line(life)) is not None

    # ---------- what always holds

    @invariant()
    def the_connection_knows_how_many_calls_are_open(self) -> None:
        assert self.connection.open_calls == len(self.open)

    @invariant()
    def what_was_sent_for_a_call_is_the_beginning_of_a_whole_life(self) -> None:
        for life in self.open:
            possible_ends: list[Callable[[str], str]] = [
                lambda line: line + "data ",
                lambda line: line + "error ",
                lambda line: line + "stopped ",
                lambda line: line + "started stopped ",
            ]
            lines = [end(_line(life)) for end in possible_ends]
            assert any(re.fullmatch(WHOLE_LIVES[life.kind], line) for line in lines)

    def teardown(self) -> None:
        assert self.connection.close() == [life.call for life in self.open]
        assert self.connection.open_calls == 0
        for life in self.lives:
            assert all(self.connection.advance(life.call, step, b"") == [] for step in Step)


def _line(life: Life) -> str:
    return "".join(f"{kind} " for kind in life.sent)


ConnectionMachine.TestCase.settings = settings(max_examples=120, stateful_step_count=40)
TestConnectionMachine = ConnectionMachine.TestCase
