"""One turn: what it says and keeps, what it costs, and how it waits for a slot."""

import asyncio

import pytest

from tests.tidewire.chat.scripted import STOP, USAGE, Step, calls, text
from tests.tidewire.chat.stage import CUT, OVERLOADED, USAGE_TOLD, Stage, complete, without_ids
from tidewire.chat.events import Complete, ReasoningDelta, RefusalDelta, Start, TextDelta, Title, UsageReport
from tidewire.chat.models import Usage
from tidewire.chat.providers import Finish, Reasoning, Refusal, Text
from tidewire.chat.turn_states import TurnState

# ---------- from start to complete


async def test_a_turn_says_what_it_does_from_start_to_complete(stage: Stage) -> None:
    events, answer = await stage.play(text("Hello big world"), content="Say hello")
    assert events == [
        Start(
            turn_id=answer.turn_id,
            message_id=answer.id,
            user_message_id=f"turn1-user-{answer.conversation_id}",
            model="scripted-1",
        ),
        Title(title="Say hello"),
        TextDelta(content="Hello "),
        TextDelta(content="big "),
        TextDelta(content="world"),
        UsageReport(input_tokens=7, output_tokens=5, estimated=False),
        Complete(message_id=answer.id, status="ok", finish_reason="stop", usage=USAGE_TOLD),
    ]
    assert (answer.status, answer.content, answer.finish_reason) == ("ok", "Hello big world", "stop")
    assert (answer.usage, answer.error) == (USAGE_TOLD, None)


async def test_start_is_said_before_anything_can_come_in_between(stage: Stage) -> None:
    turn = await stage.start()
    assert [type(event) for event in stage.events[turn.id]] == [Start, Title]
    await turn.ended()


async def test_all_that_a_model_says_is_passed_on_and_kept(stage: Stage) -> None:
    steps: list[Step] = [Reasoning("hm"), Text("a"), Refusal("no"), USAGE, Finish("length")]
    events, answer = await stage.play(steps)
    assert without_ids(events) == [
        ReasoningDelta(content="hm"),
        TextDelta(content="a"),
        RefusalDelta(content="no"),
        complete("ok", finish_reason="length", usage=USAGE_TOLD),
    ]
    assert [type(part).__name__ for part in answer.parts] == ["ReasoningPart", "TextPart", "RefusalPart"]


async def test_the_model_sees_what_was_said_before(stage: Stage) -> None:
    _, first = await stage.play(text("Hi."), content="Hello")
    await stage.play(text("Bye."), content="Bye", conversation_id=first.conversation_id)
    said = [(each.role, each.content) for each in stage.provider.prompts[1].messages]
    assert said == [("user", "Hello"), ("assistant", "Hi."), ("user", "Bye")]


async def test_the_model_sees_the_newest_messages_only(stage: Stage) -> None:
    stage.max_history_messages = 3
    _, first = await stage.play(text("one"), content="1")
    for question, answer in (("2", "two"), ("3", "three")):
        await stage.play(text(answer), content=question, conversation_id=first.conversation_id)
    said = [message.content for message in stage.provider.prompts[-1].messages]
    assert said == ["2", "two", "3"]


# ---------- what it costs


async def test_usage_is_estimated_where_the_provider_does_not_tell(stage: Stage) -> None:
    steps: list[Step] = [Reasoning("1234"), Text("5678"), Refusal("9"), STOP]
    events, answer = await stage.play(steps, content="12345678")
    assert UsageReport(input_tokens=2, output_tokens=3, estimated=True) in events
    assert answer.usage == Usage(input_tokens=2, output_tokens=3, estimated=True)


async def test_a_call_that_was_refused_costs_nothing(stage: Stage) -> None:
    events, answer = await stage.play([OVERLOADED], content="12345678")
    assert not any(isinstance(event, UsageReport) for event in events)
    assert (answer.status, answer.usage) == ("error", None)


async def test_a_refusal_in_a_later_round_leaves_what_the_earlier_ones_cost(stage: Stage) -> None:
    _, answer = await stage.play(calls(("1", "double", '{"number":1}')), [OVERLOADED])
    assert answer.usage == Usage(input_tokens=7, output_tokens=5, estimated=False)


@pytest.mark.parametrize(
    ("steps", "output_tokens"), [([CUT], 0), ([Text("5678"), OVERLOADED], 1), ([Text("5678"), CUT], 1)]
)
async def test_a_call_that_broke_off_costs_what_was_sent_and_came(
    stage: Stage, steps: list[Step], output_tokens: int
) -> None:
    _, answer = await stage.play(steps, content="12345678")
    assert answer.usage == Usage(input_tokens=2, output_tokens=output_tokens, estimated=True)


# ---------- slots


async def test_a_turn_waits_for_a_slot_in_the_order_of_arrival(stage: Stage) -> None:
    stage.slots = asyncio.Semaphore(1)
    gate = asyncio.Event()
    first = await stage.at_gate([gate, *text("one")], text("two"), text("three"))
    waiting = [await stage.start(word) for word in ("second", "third")]
    assert [turn.state for turn in waiting] == [TurnState.QUEUED, TurnState.QUEUED]
    assert len(stage.provider.prompts) == 1
    gate.set()
    for turn in (first, *waiting):
        await turn.ended()
    assert [prompt.messages[-1].content for prompt in stage.provider.prompts] == ["Hello", "second", "third"]
    assert [(await stage.stored(turn)).content for turn in (first, *waiting)] == ["one", "two", "three"]


async def test_a_turn_stopped_in_the_queue_takes_no_slot_with_it(stage: Stage) -> None:
    stage.slots = asyncio.Semaphore(1)
    gate = asyncio.Event()
    first = await stage.at_gate([gate, *text("one")], text("three"))
    second, third = await stage.start("second"), await stage.start("third")
    await second.stop("ann")
    gate.set()
    await asyncio.gather(first.ended(), third.ended())
    assert [prompt.messages[-1].content for prompt in stage.provider.prompts] == ["Hello", "third"]


@pytest.mark.parametrize("script", [[OVERLOADED], [RuntimeError("bug")], text("fine")])
async def test_a_turn_gives_its_slot_back_however_it_ends(stage: Stage, script: list[Step]) -> None:
    stage.slots = asyncio.Semaphore(1)
    await stage.play(script)
    _, answer = await stage.play(text("next"))
    assert answer.content == "next"
