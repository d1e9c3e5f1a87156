"""A turn that is stopped in each phase: the provider is hung up on, and what was there is kept."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.conformance.chat import Chat, RawSocket, read, running_chat, types_of
from tests.conformance.client import WAIT_SECONDS
from tests.faults.cut_turn import STREAM_MESSAGE
from tests.faults.evidence import Seen, check_turn, data_of
from tests.faults.story import is_told
from tests.upstream import ROLE, Script, Send, Stall, chunk, stream, text_answer, tool_answer
from tidewire.chat.fold import TOOL_CUT_OFF

pytestmark = pytest.mark.asyncio(loop_scope="module")

STOP: Final = "conversations.stop"


def tool_chunk(index: int, **fields: Any) -> Send:
    return chunk({"tool_calls": [{"index": index, **fields}]})


@dataclass(frozen=True)
class Phase:
    """What the provider has said by the stop, and what is to be kept of it."""

    scripts: Sequence[Script]
    """Of which the last one never ends."""
    parts: Sequence[Mapping[str, Any]] = ()
    counted: int = 0
    """Provider calls that told what they cost."""

    @property
    def told(self) -> int:
        """Deltas that a reader sees of it."""
        return sum(is_told(step) for script in self.scripts for step in script.steps)


BEGIN: Final = tool_chunk(0, id="call_1", type="function", function={"name": "calculate", "arguments": ""})
SUM: Final = tool_answer([("call_1", "calculate", '{"expression":"1+1"}')])
TEXT: Final = {"type": "text", "content": "one two "}
CALL: Final = {"type": "tool_call", "toolCallId": "call_1", "toolName": "calculate", "round": 0}
SPOKEN: Final = (ROLE, chunk({"content": "one "}), chunk({"content": "two "}))

PHASES: Final = {
    "before the first byte": Phase([stream(Stall())]),
    "before the first token": Phase([stream(ROLE, Stall())]),
    "reasoning": Phase(
        [stream(ROLE, chunk({"reasoning_content": "Well, "}), Stall())],
        [{"type": "reasoning", "content": "Well, "}],
    ),
    "text": Phase([stream(*SPOKEN, Stall())], [TEXT]),
    "a tool's name": Phase([stream(*SPOKEN, BEGIN, Stall())], [TEXT, CALL]),
    "tool arguments": Phase(
        [stream(*SPOKEN, BEGIN, tool_chunk(0, function={"arguments": '{"expr'}), Stall())],
        [TEXT, {**CALL, "args": '{"expr'}],
    ),
    "all but the end": Phase([stream(*SPOKEN, chunk({}, "stop"), Stall())], [TEXT]),
    "after a tool": Phase(
        [SUM, stream(*SPOKEN, Stall())],
        [{**CALL, "args": {"expression": "1+1"}, "result": 2, "done": True}, TEXT],
        counted=1,
    ),
}


@dataclass
class Stopping:
    """A turn that is followed while it is stopped."""

    socket: RawSocket
    conversation: str
    events: asyncio.Task[list[Mapping[str, Any]]]
    told: asyncio.Event
    """The reader has seen as many deltas as it was to."""

    @classmethod
    async def begin(cls, socket: RawSocket, message: str, told: int = 0) -> "Stopping":
        conversation = await socket.new_conversation()
        input = {"conversationId": conversation, "message": message, "clientMessageId": "mine"}
        call = await socket.call("subscription", STREAM_MESSAGE, input)
        reached = asyncio.Event()

        async def read_on() -> list[Mapping[str, Any]]:
            seen: list[Mapping[str, Any]] = []
            async for event in socket.events(call):
                seen.append(event)
                if (
                    sum("delta" in each or each == "tool_call_start" for each in types_of(data_of(seen)))
                    >= told
                ):
                    reached.set()
            return seen

        return cls(socket, conversation, asyncio.create_task(read_on()), reached)

    async def stop(self, ended: asyncio.Event) -> tuple[Seen, float]:
        """Stop it, and wait for `ended` as a sign of that; gives all events, and the seconds it took."""
        clock = asyncio.get_running_loop().time
        began = clock()
        call = await self.socket.call("mutation", STOP, {"conversationId": self.conversation})
        async with asyncio.timeout(WAIT_SECONDS):
            await ended.wait()
        took = clock() - began
        assert (await self.socket.frame(call))["result"]["data"] == {"stopped": True}
        return await self.events, took


def report(phase: str, seconds: float) -> None:
    """Show how long it took; what is promised is a tenth of a second, on a machine of one's own."""
    print(f"stopped {phase}: {seconds * 1000:.1f} ms")


async def check_free(socket: RawSocket, conversation: str) -> None:
    """The next message is answered."""
    input = {"conversationId": conversation, "message": "next", "config": {"tools": []}}
    call = await socket.call("subscription", STREAM_MESSAGE, input)
    assert (await read(socket.events(call)))[-1]["status"] == "ok"


@pytest.mark.parametrize("phase", PHASES)
async def test_stop_hangs_up_on_the_provider_and_keeps_what_was_there(
    chat: Chat, direct: RawSocket, topic: str, phase: str
) -> None:
    expected = PHASES[phase]
    chat.playbook.script(topic, *expected.scripts)
    turn = await Stopping.begin(direct, topic, expected.told)
    request = await chat.playbook.held(topic, len(expected.scripts))
    async with asyncio.timeout(WAIT_SECONDS):
        await turn.told.wait()
    seen, took = await turn.stop(request.hung_up)
    report(phase, took)
    assert not request.answered.is_set()

    events = data_of(seen)
    assert types_of(events)[-3:] == ["usage", "stopped", "complete"]
    assert events[-2]["by"] == "local"
    answer = check_turn(chat, turn.conversation, seen)
    assert answer["status"] == "stopped"
    kept = [
        {key: value for key, value in part.items() if key != "durationMs"}
        for part in json.loads(answer["parts"])
    ]
    assert kept == list(expected.parts)
    guessed = [event["estimated"] for event in events if event["type"] == "usage"]
    assert guessed == [False] * expected.counted + [True]
    assert json.loads(answer["usage"])["estimated"]
    assert len(chat.playbook.requests(topic)) == len(expected.scripts)
    await check_free(direct, turn.conversation)


@dataclass
class Visited:
    """What the tool `visit` connects to."""

    port: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.arrived.set()
        await reader.read()
        self.left.set()
        writer.close()


@pytest_asyncio.fixture(loop_scope="module")
async def visited() -> AsyncIterator[Visited]:
    visited = Visited()
    async with await asyncio.start_server(visited.receive, "127.0.0.1", 0) as server:
        visited.port = server.sockets[0].getsockname()[1]
        yield visited


async def test_stop_gives_up_a_tool_and_says_so(
    chat: Chat, direct: RawSocket, topic: str, visited: Visited
) -> None:
    arguments = {"port": visited.port}
    wanted = [("call_1", "calculate", '{"expression":"1+1"}'), ("call_2", "visit", json.dumps(arguments))]
    chat.playbook.script(topic, tool_answer(wanted))
    turn = await Stopping.begin(direct, topic)
    async with asyncio.timeout(WAIT_SECONDS):
        await visited.arrived.wait()
    seen, took = await turn.stop(visited.left)
    report("tool running", took)
    answer = check_turn(chat, turn.conversation, seen)
    assert answer["status"] == "stopped"
    done, cut_off = json.loads(answer["parts"])
    assert (done["result"], done["done"]) == (2, True)
    assert (cut_off["result"], cut_off["isError"], cut_off["done"]) == (TOOL_CUT_OFF, True, True)
    assert cut_off["args"] == arguments
    # The provider had told what it cost, and was not asked again.
    assert not json.loads(answer["usage"])["estimated"]
    assert len(chat.playbook.requests(topic)) == 1
    await check_free(direct, turn.conversation)


async def test_stop_takes_a_turn_out_of_the_queue(tmp_path: Path, topic: str) -> None:
    gate = asyncio.Event()
    async with (
        running_chat(tmp_path, TIDEWIRE_MAX_CONCURRENT_TURNS="1") as chat,
        RawSocket(chat.url) as socket,
    ):
        chat.playbook.script(f"{topic} first", text_answer("one two").hold(2, gate))
        first = await Stopping.begin(socket, f"{topic} first")
        await chat.playbook.held(f"{topic} first")
        queued = [await Stopping.begin(socket, f"{topic} {number}") for number in range(3)]
        always = asyncio.Event()
        always.set()
        for turn in queued[:2]:
            seen, _ = await turn.stop(always)
            assert types_of(data_of(seen)) == ["start", "title", "stopped", "complete"]
            answer = check_turn(chat, turn.conversation, seen)
            assert (answer["status"], answer["parts"], answer["usage"]) == ("stopped", "[]", None)
        # Those before and behind them are not touched.
        gate.set()
        for turn, text in ((first, "one two"), (queued[2], f"You said {topic} 2")):
            answer = check_turn(chat, turn.conversation, await turn.events)
            assert (answer["status"], answer["content"]) == ("ok", text)
        assert [len(chat.playbook.requests(f"{topic} {number}")) for number in range(3)] == [0, 0, 1]
