"""Every step in every state: what comes of it, or that it is refused."""

from itertools import product

import pytest

from tidewire_protocol import State, Step
from tidewire_protocol.states import MOVES, Frame

REFUSED = None
PAYLOAD, STARTED, STOPPED = Frame.PAYLOAD, Frame.STARTED, Frame.STOPPED

TABLE: dict[State, dict[Step, tuple[State, tuple[Frame, ...]] | None]] = {
    State.ASKED: {
        Step.ANSWER: (State.DONE, (PAYLOAD,)),
        Step.START: REFUSED,
        Step.EMIT: REFUSED,
        Step.END: REFUSED,
        Step.FAIL: (State.DONE, (PAYLOAD,)),
        Step.STOP: REFUSED,
    },
    State.SETUP: {
        Step.ANSWER: REFUSED,
        Step.START: (State.LIVE, (STARTED,)),
        Step.EMIT: REFUSED,
        Step.END: REFUSED,
        Step.FAIL: (State.DONE, (PAYLOAD,)),
        Step.STOP: (State.STOPPING, ()),
    },
    State.LIVE: {
        Step.ANSWER: REFUSED,
        Step.START: REFUSED,
        Step.EMIT: (State.LIVE, (PAYLOAD,)),
        Step.END: (State.DONE, (STOPPED,)),
        Step.FAIL: (State.DONE, (PAYLOAD, STOPPED)),
        Step.STOP: (State.STOPPING, ()),
    },
    State.STOPPING: {
        Step.ANSWER: REFUSED,
        Step.START: (State.STOPPING, ()),
        Step.EMIT: (State.STOPPING, ()),
        Step.END: (State.DONE, (STOPPED,)),
        Step.FAIL: (State.DONE, (STOPPED,)),
        Step.STOP: (State.STOPPING, ()),
    },
    State.DONE: dict.fromkeys(Step, REFUSED),
}


def test_the_table_is_complete() -> None:
    assert [(state, step) for state in TABLE for step in TABLE[state]] == list(product(State, Step))


@pytest.mark.parametrize(("state", "step"), list(product(State, Step)), ids=lambda member: member.name)
def test_a_step_leads_to(state: State, step: Step) -> None:
    assert MOVES.get((state, step), REFUSED) == TABLE[state][step]
