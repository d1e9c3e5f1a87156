"""Killed at any moment, a server loses nothing that was seen, repeats nothing, and goes on when back."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.client import CLIENT_VERSIONS, StockClient
from tests.faults.deployment import CRASHED, Deployment
from tests.faults.records import Records
from tests.faults.sizes import SIZES
from tests.faults.talks import Talk
from tests.upstream import Script, stream, text_answer, tool_answer
from tidewire.chat.fold import TOOL_CUT_OFF

APP: Final = "tests.faults.crashing_app:app"
SERVERS: Final = 3

POINTS: Final = {
    # First, for only a conversation's first turn makes a title.
    "before write title": "interrupted",
    "after write title": "interrupted",
    # Nothing is stored yet: the client sends the message again, and it is answered.
    "before begin": "ok",
    "after begin": "interrupted",
    **{
        f"{moment} write {event}": "interrupted"
        for event in ("start", "text_delta", "tool_call_start", "usage", "tool_call_complete")
        for moment in ("before", "after")
    },
    "before ledger": "interrupted",
    "after ledger": "interrupted",
    "tool": "interrupted",
    "before save": "interrupted",
    # What is stored is true, whether the log has told of it or not.
    "after save": "ok",
    "before write complete": "ok",
    "after write complete": "ok",
}
"""Where a server crashes, and how its turn has ended then."""

NO_TOOL: Final = {
    "after begin",
    "before ledger",
    *(point for point in POINTS if point.endswith(("start", "title", "text_delta", "usage"))),
}
"""Where no tool can have begun."""

REPAIR_POINTS: Final = ("before write", "after write", "before save", "after save")
"""Where the next server crashes while it ends that turn."""

# The moment of a kill, in seconds after the messages were sent: a turn takes about as long.
LONGEST_LIFE: Final = 0.6
PACE: Final = 0.01
RETRY_DELAY: Final = 0.05


class Scene:
    """A server that is killed and started again, and clients that find out by themselves."""

    def __init__(self, deployment: Deployment, traces: Path, talks: list[Talk]) -> None:
        self.deployment = deployment
        self.traces = traces
        self.talks = talks
        self.sent: list[str] = []

    def answers(self, message: str, rng: random.Random) -> list[Script]:
        """Slow text, in every other answer after tools that take a moment."""
        words = " ".join(f"{message}.{number}" for number in range(rng.randint(5, 40)))
        text = text_answer(f"{words} and so on 🌊").pace(PACE)
        if rng.random() < 0.5:
            return [text]
        calls = [
            (f"{message}/{number}", "leave_trace", f'{{"seconds": {rng.uniform(0, 0.2):.3f}}}')
            for number in range(2)
        ]
        return [tool_answer(calls).pace(PACE), text]

    def say(self, message: str, talk: Talk, rng: random.Random) -> None:
        """Send a message in a conversation."""
        self.deployment.playbook.script(message, *self.answers(message, rng))
        self.sent.append(message)
        talk.say(message)

    def traces_in(self, name: str) -> list[str]:
        """The ids of tool calls that have left a trace, once for each time."""
        file = self.traces / name
        return file.read_text().split() if file.exists() else []

    def check(self, *, before: datetime | None = None) -> Records:
        """All that has to be true after a restart that began at a time, or after all has ended."""
        records = Records.read(self.deployment.database)
        records.check(before=before)
        records.check_tools(self.traces_in("tools"))
        for talk in self.talks:
            for reading in talk.readings:
                records.check_seen(list(reading.seen))
        for message in self.sent:
            asked = [each.json["messages"] for each in self.deployment.playbook.requests(message)]
            assert len(asked) == len({len(messages) for messages in asked}), f"{message} was asked twice"
        return records

    def check_cut_off_tools(self, records: Records) -> None:
        """Tools that were killed are reported as cut off."""
        cut_off = {*self.traces_in("tools")} - {*self.traces_in("done")}
        reported = {
            part["toolCallId"]
            for answer in records.answers
            for part in json.loads(answer["parts"])
            if part.get("result") == TOOL_CUT_OFF
        }
        assert cut_off <= reported


@asynccontextmanager
async def scene(launcher: Path, folder: Path) -> AsyncGenerator[Scene]:
    """A running server, with two conversations of a stock client of each version."""
    traces = folder / "traces"
    traces.mkdir()
    async with Deployment(launcher, folder, APP, TRACES=str(traces)) as deployment, AsyncExitStack() as stack:
        await deployment.start()
        talks: list[Talk] = []
        for version in CLIENT_VERSIONS:
            client = await stack.enter_async_context(
                StockClient(deployment.url, version=version, retry_delay=RETRY_DELAY)
            )
            for _ in range(2):
                conversation = await client.mutate("conversations.create", {})
                talks.append(Talk(client, conversation["id"]))
        yield Scene(deployment, traces, talks)
        for talk in talks:
            await talk.give_up()


async def kill_again_and_again(seed: int, launcher: Path, folder: Path) -> None:
    """One server's story."""
    rng = random.Random(seed)
    async with scene(launcher, folder) as now:
        life = now.deployment.lives[0]
        for kill in range(SIZES.kills):
            # Now and then a server is killed while clients still come back to it.
            if rng.random() < 0.7:
                for number, talk in enumerate(now.talks):
                    await talk.answered()
                    now.say(f"{seed}-{kill}-{number}", talk, rng)
            await asyncio.sleep(rng.uniform(0, LONGEST_LIFE))
            await life.kill()
            restarted = datetime.now(UTC)
            life = await now.deployment.start()
            now.check(before=restarted)
        for number, talk in enumerate(now.talks):
            await talk.answered()
            now.say(f"{seed}-last-{number}", talk, rng)
        for talk in now.talks:
            await talk.answered()
        records = now.check()
        for talk in now.talks:
            for reading in talk.readings:
                records.check_seen_whole(reading.seen)
            assert talk.readings[-1].seen[-1]["data"]["status"] == "ok"
        now.check_cut_off_tools(records)
        assert sorted(now.sent) == sorted(
            filter(None, (each["client_message_id"] for each in records.messages))
        )


async def test_servers_killed_again_and_again_lose_and_repeat_nothing(launcher: Path, folder: Path) -> None:
    async with asyncio.TaskGroup() as group:
        for seed in range(SERVERS):
            (folder / str(seed)).mkdir()
            group.create_task(kill_again_and_again(seed, launcher, folder / str(seed)))


async def crash_at(point: str, now: Scene, talk: Talk) -> None:
    """Have a turn crash its server there."""
    message = f"{len(now.sent)} crash at {point}"
    call = (f"{len(now.sent)}/0", "leave_trace", '{"seconds": 0}')
    said = text_answer("Let me see.").steps[:-3]
    now.deployment.playbook.script(
        message, stream(*said, *tool_answer([call]).steps[1:]), text_answer("It is done.")
    )
    now.sent.append(message)
    talk.say(message)
    assert await now.deployment.lives[-1].end() == CRASHED


async def crash_at_each(points: Mapping[str, str], launcher: Path, folder: Path) -> None:
    """Crash one server after the other on one database."""
    async with scene(launcher, folder) as now:
        for number, (point, status) in enumerate(points.items()):
            talk = now.talks[number % len(now.talks)]
            await crash_at(point, now, talk)
            restarted = datetime.now(UTC)
            await now.deployment.start()
            now.check(before=restarted)
            await talk.answered()
            records = now.check()
            records.check_seen_whole(talk.readings[-1].seen)
            answer = records.answer(now.sent[-1])
            assert (point, answer["status"]) == (point, status)
            told = [event["type"] for event in records.of_turn(answer["turn_id"])]
            # What was in the ledger may have run, whatever the crash left of its doings.
            assert ("tool_call_complete" in told) == (point not in NO_TOOL), point
        now.check_cut_off_tools(now.check())


async def test_a_crash_between_any_two_steps_of_a_turn_is_mended_by_the_next_start(
    launcher: Path, folder: Path
) -> None:
    halves = [dict(list(POINTS.items())[half::2]) for half in range(2)]
    async with asyncio.TaskGroup() as group:
        for number, half in enumerate(halves):
            (folder / str(number)).mkdir()
            group.create_task(crash_at_each(half, launcher, folder / str(number)))


async def test_a_crash_in_the_repair_of_a_turn_is_mended_by_the_start_after_it(
    launcher: Path, folder: Path
) -> None:
    async with scene(launcher, folder) as now:
        [talk, *_] = now.talks
        for point in REPAIR_POINTS:
            await crash_at("tool", now, talk)
            (now.traces / "crashed tool").unlink()
            with pytest.raises(RuntimeError, match="ended before it listened"):
                await now.deployment.start(AT_START=point)
            assert now.deployment.lives[-1].code == CRASHED
            restarted = datetime.now(UTC)
            await now.deployment.start()
            now.check(before=restarted)
            await talk.answered()
            records = now.check()
            records.check_seen_whole(talk.readings[-1].seen)
            assert records.answer(now.sent[-1])["status"] == "interrupted"
        now.check_cut_off_tools(now.check())
