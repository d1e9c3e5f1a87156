"""The main job: a stock client streams turns from a real server process with a real upstream."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.conformance.chat import (
    Chat,
    RawSocket,
    of_type,
    read,
    read_until,
    running_chat,
    text_of,
    types_of,
)
from tests.conformance.client import WAIT_SECONDS, StockClient, StockClientError, Subscription
from tests.upstream import (
    ROLE,
    Script,
    Stall,
    Step,
    Wait,
    chunk,
    stream,
    text_answer,
    tool_answer,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

STOP_SECONDS = 1.0
"""How soon after a stop was sent the upstream's request has to be closed.

What is promised is a tenth of that, on a machine of one's own; the tests under faults print what it was.
"""


async def new(client: StockClient, **fields: Any) -> str:
    return str((await client.mutate("conversations.create", fields))["id"])


@asynccontextmanager
async def sent(
    client: StockClient, conversation: str, message: str, **more: Any
) -> AsyncGenerator[Subscription]:
    """Send a message, and follow its turn for the length of the block."""
    input = {"conversationId": conversation, "message": message, **more}
    async with client.subscribe("conversations.streamMessage", input) as events:
        yield events


async def ask(client: StockClient, conversation: str, message: str, **more: Any) -> list[Any]:
    """Send a message, and read its turn to the end."""
    async with sent(client, conversation, message, **more) as events:
        return await read(events)


def called(events: list[Any]) -> dict[str, Any]:
    """The results of tools, by the call's id."""
    return {event["toolCallId"]: event for event in of_type(events, "tool_call_complete")}


def told(chat: Chat, topic: str, number: int) -> list[tuple[str, str]]:
    """The results that a request brought back to the model, in its order."""
    messages = chat.playbook.requests(topic)[number - 1].json["messages"]
    return [(each["tool_call_id"], each["content"]) for each in messages if each["role"] == "tool"]


# ---------- streaming


async def test_the_connection_establishes(client: StockClient) -> None:
    listed = await client.query("tools.list")
    assert {"current_time", "calculate"} <= {tool["name"] for tool in listed}
    assert await client.query("models.list") == [
        {"id": "gpt-5-mini", "isDefault": True},
        {"id": "fake-model", "isDefault": False},
    ]


async def test_text_streams_word_by_word(chat: Chat, client: StockClient, topic: str) -> None:
    gates = [asyncio.Event(), asyncio.Event()]
    script = text_answer("one two three")
    chat.playbook.script(topic, script.hold(3, gates[1]).hold(2, gates[0]))
    async with sent(client, await new(client), topic) as events:
        seen = await read_until(events, "text_delta")
        assert types_of(seen) == ["start", "title", "text_delta"]
        for gate, word in zip(gates, ("two ", "three"), strict=True):
            assert not chat.playbook.requests(topic)[0].answered.is_set()
            gate.set()
            seen += await read_until(events, "text_delta")
            assert seen[-1]["content"] == word
        seen += await read(events)
    assert text_of(seen) == "one two three"


async def test_tools_execute_mid_stream(chat: Chat, client: StockClient, topic: str) -> None:
    gate = asyncio.Event()
    chat.playbook.script(
        topic,
        tool_answer([("call_1", "calculate", '{"expression":"6*7"}')]),
        text_answer("It is 42.").hold(0, gate),
    )
    async with sent(client, await new(client), topic) as events:
        seen = await read_until(events, "tool_call_complete")
        assert (seen[-1]["toolName"], seen[-1]["result"], seen[-1]["isError"]) == ("calculate", 42, False)
        assert seen[-1]["args"] == {"expression": "6*7"}
        await chat.playbook.held(topic, 2)
        gate.set()
        seen += await read(events)
    assert types_of(seen) == [
        "start",
        "title",
        "tool_call_start",
        "tool_call_delta",
        "tool_call_delta",
        "usage",
        "tool_call_complete",
        "text_delta",
        "text_delta",
        "text_delta",
        "usage",
        "complete",
    ]
    assert told(chat, topic, 2) == [("call_1", "42")]


async def test_tool_results_appear_before_the_text_that_follows(
    chat: Chat, client: StockClient, topic: str
) -> None:
    wanted = tool_answer([(f"call_{n}", "calculate", f'{{"expression":"{n}*10"}}') for n in (1, 2, 3)])
    before = stream(ROLE, chunk({"content": "Let me see. "}), *wanted.steps)
    conversation = await new(client)
    chat.playbook.script(topic, before, text_answer("All done."))
    events = await ask(client, conversation, topic)
    order = [kind for kind in types_of(events) if kind in {"text_delta", "tool_call_complete"}]
    assert order == ["text_delta", *["tool_call_complete"] * 3, *["text_delta"] * 2]
    _, answer = chat.rows(conversation)
    parts = json.loads(answer["parts"])
    assert [part["type"] for part in parts] == ["text", "tool_call", "tool_call", "tool_call", "text"]
    assert [part["result"] for part in parts[1:4]] == [10, 20, 30]


# ---------- several tools


async def test_tools_of_one_round_run_at_the_same_time(chat: Chat, client: StockClient, topic: str) -> None:
    both = [("call_1", "meet", '{"name":"Ann"}'), ("call_2", "meet", '{"name":"Bob"}')]
    chat.playbook.script(topic, tool_answer(both), text_answer("They met."))
    events = await ask(client, await new(client), topic)
    assert {key: result["result"] for key, result in called(events).items()} == {
        "call_1": "Ann has met somebody",
        "call_2": "Bob has met somebody",
    }


@dataclass
class Visits:
    """A server that the `visit` tools connect to."""

    port: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def arguments(self) -> str:
        return json.dumps({"port": self.port})

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.arrived.set()
        waiting = [asyncio.create_task(each) for each in (self.release.wait(), reader.read())]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        if not self.release.is_set():
            self.left.set()
        writer.write(b"welcome\n")
        writer.close()


@pytest_asyncio.fixture(loop_scope="module")
async def visits() -> AsyncIterator[Visits]:
    visits = Visits()
    async with await asyncio.start_server(visits.receive, "127.0.0.1", 0) as server:
        visits.port = server.sockets[0].getsockname()[1]
        yield visits
        visits.release.set()


async def test_results_are_shown_as_they_come_and_go_back_in_the_models_order(
    chat: Chat, client: StockClient, topic: str, visits: Visits
) -> None:
    wanted = [("call_1", "visit", visits.arguments), ("call_2", "calculate", '{"expression":"1+1"}')]
    chat.playbook.script(topic, tool_answer(wanted), text_answer("Done."))
    async with sent(client, await new(client), topic) as events:
        first = (await read_until(events, "tool_call_complete"))[-1]
        assert first["toolCallId"] == "call_2"
        assert len(chat.playbook.requests(topic)) == 1
        visits.release.set()
        second = (await read_until(events, "tool_call_complete"))[-1]
        assert (second["toolCallId"], second["result"]) == ("call_1", "welcome")
        await read(events)
    assert told(chat, topic, 2) == [("call_1", "welcome"), ("call_2", "2")]


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("no_such_tool", "{}", "There is no tool `no_such_tool`."),
        ("calculate", '{"expression":', "The arguments are not valid JSON"),
        ("calculate", '{"expression":5}', "expression"),
        ("calculate", '{"expression":"1/0"}', "zero"),
        ("break_down", '{"reason":"Out of paper."}', "Out of paper."),
        ("crash", "", "The tool failed."),
        ("dawdle", "", "The tool did not answer within 0.05 seconds."),
    ],
    ids=["unknown", "broken arguments", "wrong arguments", "refused", "failed", "crashed", "too slow"],
)
async def test_what_goes_wrong_with_a_tool_is_a_result_that_the_model_sees(
    chat: Chat, client: StockClient, topic: str, name: str, arguments: str, result: str
) -> None:
    chat.playbook.script(topic, tool_answer([("call_1", name, arguments)]), text_answer("Sorry."))
    events = await ask(client, await new(client), topic)
    shown = called(events)["call_1"]
    assert (shown["toolName"], shown["isError"]) == (name, True)
    assert result in shown["result"]
    assert told(chat, topic, 2) == [("call_1", shown["result"])]
    assert (text_of(events), events[-1]["status"]) == ("Sorry.", "ok")
    assert "a secret of the tool's" not in json.dumps(events)


# ---------- the end, and what is kept


async def test_a_turn_ends_with_one_complete_and_is_in_the_database(
    chat: Chat, client: StockClient, topic: str
) -> None:
    conversation = await new(client)
    chat.playbook.script(
        topic, tool_answer([("call_1", "calculate", '{"expression":"6*7"}')]), text_answer("It is 42.")
    )
    events = await ask(client, conversation, topic, clientMessageId="mine")
    assert types_of(events).index("complete") == len(events) - 1
    start, complete = events[0], events[-1]
    assert start["clientMessageId"] == "mine"
    usage = {"inputTokens": 14, "outputTokens": 10, "estimated": False}
    assert complete == {
        "type": "complete",
        "messageId": start["messageId"],
        "status": "ok",
        "finishReason": "stop",
        "usage": usage,
    }

    question, answer = chat.rows(conversation)
    assert (question["id"], question["role"], question["content"]) == (start["userMessageId"], "user", topic)
    assert question["client_message_id"] == "mine"
    assert (answer["id"], answer["status"], answer["content"]) == (start["messageId"], "ok", "It is 42.")
    assert question["turn_id"] == answer["turn_id"] == start["turnId"]

    state = await client.query("conversations.get", {"conversationId": conversation})
    assert "activeTurn" not in state
    asked, answered = state["messages"]
    assert (asked["content"], asked["clientMessageId"]) == (topic, "mine")
    assert (answered["content"], answered["status"], answered["usage"]) == ("It is 42.", "ok", usage)
    assert [part["type"] for part in answered["parts"]] == ["tool_call", "text"]
    assert answered["parts"] == json.loads(answer["parts"])


async def test_the_next_turn_knows_the_one_before(chat: Chat, client: StockClient, topic: str) -> None:
    conversation = await new(client)
    chat.playbook.script(
        topic, tool_answer([("call_1", "calculate", '{"expression":"6*7"}')]), text_answer("It is 42.")
    )
    await ask(client, conversation, topic)
    await ask(client, conversation, f"{topic} again")
    [request] = chat.playbook.requests(f"{topic} again")
    call = {"name": "calculate", "arguments": '{"expression":"6*7"}'}
    assert request.json["messages"] == [
        {"role": "user", "content": topic},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": call}],
        },
        {"role": "tool", "content": "42", "tool_call_id": "call_1"},
        {"role": "assistant", "content": "It is 42."},
        {"role": "user", "content": f"{topic} again"},
    ]


# ---------- conversations


async def test_conversations_are_managed_over_the_wire(client: StockClient, topic: str) -> None:
    ids = [await new(client, title=f"{topic} {number}") for number in range(3)]
    pages = [await client.query("conversations.list", {"limit": 2, "search": topic.upper()})]
    pages.append(
        await client.query(
            "conversations.list", {"limit": 2, "search": topic, "cursor": pages[0]["nextCursor"]}
        )
    )
    assert [item["id"] for page in pages for item in page["items"]] == ids[::-1]
    assert "nextCursor" not in pages[1]
    await client.mutate("conversations.rename", {"conversationId": ids[0], "title": f"{topic} renamed"})
    state = await client.query("conversations.get", {"conversationId": ids[0]})
    assert state["conversation"]["title"] == f"{topic} renamed"
    for conversation in ids:
        deleted = await client.mutate("conversations.delete", {"conversationId": conversation})
        assert deleted == {"deleted": True}
    assert await client.query("conversations.list", {"search": topic}) == {"items": []}


async def test_a_long_conversation_is_given_by_pages(client: StockClient, topic: str) -> None:
    conversation = await new(client)
    for number in range(3):
        await ask(client, conversation, f"{topic} {number}")
    identified = {"conversationId": conversation, "limit": 4}
    newest = await client.query("conversations.get", identified)
    older = await client.query("conversations.get", {**identified, "cursor": newest["nextCursor"]})
    contents = [message["content"] for message in older["messages"] + newest["messages"]]
    assert contents == [f"{said}{topic} {n}" for n in range(3) for said in ("", "You said ")]
    assert "nextCursor" not in older


async def test_the_first_message_gives_a_title_and_is_found(client: StockClient, topic: str) -> None:
    conversation = await new(client)
    first = await ask(client, conversation, f"Tides\nof {topic}")
    assert of_type(first, "title") == [{"type": "title", "title": "Tides"}]
    second = await ask(client, conversation, f"Ebbs of {topic}")
    assert of_type(second, "title") == []
    found = await client.query("conversations.list", {"search": f"of {topic}"})
    assert [(item["id"], item["title"]) for item in found["items"]] == [(conversation, "Tides")]


async def test_get_shows_a_turn_under_way_and_following_it_gives_exactly_the_rest(
    chat: Chat, client: StockClient, topic: str
) -> None:
    gate = asyncio.Event()
    chat.playbook.script(topic, text_answer("one two three four").hold(3, gate))
    conversation = await new(client)
    async with sent(client, conversation, topic) as events:
        seen = await read_until(events, "text_delta") + await read_until(events, "text_delta")
        state = await client.query("conversations.get", {"conversationId": conversation})
        answer, turn = state["messages"][-1], state["activeTurn"]
        assert (answer["status"], answer["content"]) == ("streaming", "one two ")
        assert (turn["turnId"], turn["messageId"]) == (seen[0]["turnId"], answer["id"])
        async with RawSocket(chat.url) as socket:
            input = {"conversationId": conversation, "message": topic}
            path = "conversations.streamMessage"
            following = await socket.call("subscription", path, input, last_event_id=turn["upTo"])
            assert (await socket.frame(following))["result"] == {"type": "started"}
            gate.set()
            rest = await read(socket.events(following))
        assert rest == await read(events)
    assert answer["content"] + text_of(rest) == "one two three four"
    assert len(chat.playbook.requests(topic)) == 1


async def test_a_stock_client_can_follow_a_turn_from_where_get_has_left_it(
    chat: Chat, client: StockClient, topic: str
) -> None:
    gate = asyncio.Event()
    chat.playbook.script(topic, text_answer("one two three four").hold(3, gate))
    conversation = await new(client)
    async with sent(client, conversation, topic) as events:
        await read_until(events, "text_delta")
        await read_until(events, "text_delta")
        state = await client.query("conversations.get", {"conversationId": conversation})
        after = state["activeTurn"]["upTo"]
        async with sent(client, conversation, topic, lastEventId=after) as following:
            await following.started()
            gate.set()
            assert await read(following) == await read(events)


# ---------- stopping


async def stopped_in_time(
    chat: Chat, client: StockClient, conversation: str, topic: str, number: int
) -> None:
    """Stop the turn whose request is held at the upstream, and see that request closed in time."""
    request = await chat.playbook.held(topic, number)
    clock = asyncio.get_running_loop().time
    began = clock()
    stopping = asyncio.create_task(client.mutate("conversations.stop", {"conversationId": conversation}))
    async with asyncio.timeout(WAIT_SECONDS):
        await request.hung_up.wait()
    assert request.hung_up_at is not None
    assert request.hung_up_at - began < STOP_SECONDS
    assert await stopping == {"stopped": True}


def held(*steps: Step) -> Script:
    return stream(*steps, Stall())


CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "calculate", "arguments": ""}}
ARGUMENTS = {"index": 0, "function": {"arguments": '{"expr'}}
PHASES: dict[str, tuple[list[Script], str]] = {
    "before the first byte": ([held()], ""),
    "before the first word": ([held(ROLE)], ""),
    "mid-text": ([held(ROLE, chunk({"content": "one "}), chunk({"content": "two "}))], "one two "),
    "mid-arguments": (
        [held(ROLE, chunk({"tool_calls": [CALL]}), chunk({"tool_calls": [ARGUMENTS]}))],
        "",
    ),
    "after a tool": (
        [tool_answer([("call_1", "calculate", '{"expression":"1"}')]), held(ROLE, chunk({"content": "a "}))],
        "a ",
    ),
}


@pytest.mark.parametrize("phase", PHASES)
async def test_stop_closes_the_upstream_at_once(
    chat: Chat, client: StockClient, topic: str, phase: str
) -> None:
    scripts, kept = PHASES[phase]
    chat.playbook.script(topic, *scripts)
    conversation = await new(client)
    async with sent(client, conversation, topic) as events:
        await stopped_in_time(chat, client, conversation, topic, len(scripts))
        seen = await read(events)
    assert types_of(seen)[-2:] == ["stopped", "complete"]
    assert (seen[-1]["status"], text_of(seen)) == ("stopped", kept)
    _, answer = chat.rows(conversation)
    assert (answer["status"], answer["content"]) == ("stopped", kept)
    assert await client.mutate("conversations.stop", {"conversationId": conversation}) == {"stopped": False}
    assert text_of(await ask(client, conversation, f"{topic} again")) == f"You said {topic} again"


@pytest.mark.parametrize("name", ["visit", "visit_blocking"])
async def test_stop_does_not_wait_for_a_tool(
    chat: Chat, client: StockClient, topic: str, name: str, visits: Visits
) -> None:
    chat.playbook.script(topic, tool_answer([("call_1", name, visits.arguments)]))
    conversation = await new(client)
    clock = asyncio.get_running_loop().time
    async with sent(client, conversation, topic) as events:
        async with asyncio.timeout(WAIT_SECONDS):
            await visits.arrived.wait()
        began = clock()
        stopped = await client.mutate("conversations.stop", {"conversationId": conversation})
        assert stopped == {"stopped": True}
        assert clock() - began < STOP_SECONDS
        seen = await read(events)
    cut_off, *end = seen[-3:]
    assert types_of([cut_off, *end]) == ["tool_call_complete", "stopped", "complete"]
    assert (cut_off["toolName"], cut_off["isError"]) == (name, True)
    if name == "visit":
        async with asyncio.timeout(WAIT_SECONDS):
            await visits.left.wait()
    assert not visits.release.is_set()
    assert len(chat.playbook.requests(topic)) == 1
    _, answer = chat.rows(conversation)
    [call] = json.loads(answer["parts"])
    assert (answer["status"], call["toolName"]) == ("stopped", name)
    assert (call["done"], call["isError"], call["result"]) == (True, True, cut_off["result"])


async def test_stop_takes_a_turn_out_of_the_queue(tmp_path: Path, node_modules: Path, topic: str) -> None:
    gate = asyncio.Event()
    async with (
        running_chat(tmp_path, TIDEWIRE_MAX_CONCURRENT_TURNS="1") as chat,
        StockClient(chat.url) as client,
    ):
        chat.playbook.script(topic, text_answer("one two").hold(2, gate))
        first, second = await new(client), await new(client)
        async with sent(client, first, topic) as running:
            # Only then: of two that are sent at once either may take the place.
            await chat.playbook.held(topic)
            async with sent(client, second, f"{topic} queued") as queued:
                seen = await read_until(queued, "start")
                await client.mutate("conversations.stop", {"conversationId": second})
                seen += await read(queued)
            assert types_of(seen) == ["start", "title", "stopped", "complete"]
            assert chat.playbook.requests(f"{topic} queued") == []
            gate.set()
            assert text_of(await read(running)) == "one two"
        assert text_of(await ask(client, second, f"{topic} next")) == f"You said {topic} next"


async def test_deleting_a_conversation_closes_the_upstream_and_ends_the_turn(
    chat: Chat, client: StockClient, topic: str
) -> None:
    chat.playbook.script(topic, held(ROLE, chunk({"content": "one "})))
    conversation = await new(client)
    identified = {"conversationId": conversation}
    async with sent(client, conversation, topic) as events:
        request = await chat.playbook.held(topic)
        assert await client.mutate("conversations.delete", identified) == {"deleted": True}
        async with asyncio.timeout(WAIT_SECONDS):
            await request.hung_up.wait()
        assert types_of(await read(events))[-2:] == ["stopped", "complete"]
    assert chat.rows(conversation) == []
    with pytest.raises(StockClientError) as caught:
        await client.query("conversations.get", identified)
    assert caught.value.code == "NOT_FOUND"


# ---------- the same message, and another one


async def test_the_same_client_message_id_is_one_message_and_one_provider_call(
    chat: Chat, clients: Any, topic: str
) -> None:
    gate = asyncio.Event()
    chat.playbook.script(topic, text_answer("one two three").hold(2, gate))
    one, two = clients.values()
    conversation = await new(one)
    async with (
        sent(one, conversation, topic, clientMessageId="mine") as first,
        sent(two, conversation, topic, clientMessageId="mine") as second,
    ):
        seen = [await read_until(events, "text_delta") for events in (first, second)]
        gate.set()
        whole = [before + await read(events) for before, events in zip(seen, (first, second), strict=True)]
    assert whole[0] == whole[1]
    assert text_of(whole[0]) == "one two three"
    assert await ask(two, conversation, topic, clientMessageId="mine") == whole[0]
    assert len(chat.playbook.requests(topic)) == 1
    assert [row["role"] for row in chat.rows(conversation)] == ["user", "assistant"]


async def test_another_message_while_busy_is_a_conflict_on_its_own_call_only(
    chat: Chat, client: StockClient, topic: str
) -> None:
    gate = asyncio.Event()
    chat.playbook.script(topic, text_answer("one two").hold(2, gate))
    conversation = await new(client)
    async with sent(client, conversation, topic) as events:
        seen = await read_until(events, "text_delta")
        with pytest.raises(StockClientError) as caught:
            await ask(client, conversation, "something else")
        assert caught.value.code == "CONFLICT"
        async with sent(client, conversation, topic) as attached:
            assert await read_until(attached, "text_delta") == seen
            gate.set()
            assert await read(attached) == await read(events)
    assert len(chat.rows(conversation)) == 2
    assert len(chat.playbook.requests(topic)) == 1


async def test_a_subscription_that_is_stopped_leaves_the_turn_running(
    chat: Chat, client: StockClient, topic: str
) -> None:
    gate = asyncio.Event()
    chat.playbook.script(topic, text_answer("one two").hold(2, gate))
    conversation = await new(client)
    async with sent(client, conversation, topic, clientMessageId="mine") as events:
        await read_until(events, "text_delta")
        await events.stop()
    gate.set()
    assert text_of(await ask(client, conversation, topic, clientMessageId="mine")) == "one two"
    assert chat.rows(conversation)[1]["content"] == "one two"
    assert len(chat.playbook.requests(topic)) == 1


async def test_a_gate_in_one_turn_does_not_hold_another(chat: Chat, client: StockClient, topic: str) -> None:
    gate = asyncio.Event()
    chat.playbook.script(topic, stream(Wait(gate), *text_answer("late").steps))
    async with sent(client, await new(client), topic) as events:
        await chat.playbook.held(topic)
        assert text_of(await ask(client, await new(client), f"{topic} two")) == f"You said {topic} two"
        gate.set()
        assert text_of(await read(events)) == "late"
