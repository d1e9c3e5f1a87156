"""A server that is asked to end loses nothing, and its clients go on with the next one."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conformance.chat import RawSocket
from tests.conformance.client import CLIENT_VERSIONS, ClientVersion, StockClient
from tests.faults.deployment import Deployment
from tests.faults.evidence import Seen
from tests.faults.proxy import Proxy
from tests.faults.records import Records
from tests.faults.sizes import SIZES
from tests.faults.talks import Talk
from tests.processes import Life
from tests.upstream import Stall, chunk, stream, text_answer
from tidewire.runner.watchdog import LAST_WORDS

STREAM_MESSAGE: Final = "conversations.streamMessage"

LIVE: Final = 100
ENDLESS: Final = 20
STUCK: Final = 10
SOCKETS: Final = 5

# Seconds; the clients' own delays grow from 0 to 2, 4 and so on, while a server is away for two.
RETRY_DELAY: Final = 0.05

# More than any socket and any outbox between the two takes.
FLOOD: Final = stream(
    *[chunk({"content": f"{number:5} " * 2_000}) for number in range(100)], chunk({}, "stop")
)
ENDLESS_ANSWER: Final = stream(*text_answer("so far and no").steps[:-3], Stall())

TEXT: Final = " ".join(f"word{number} 🌊" for number in range(30))


async def ended_in_time(life: Life) -> bool:
    """Whether a server that was asked to end did so by itself, and as a success."""
    code = await life.end()
    return code == 0 and LAST_WORDS.decode().strip() not in life.log


async def begin(socket: RawSocket, message: str) -> int:
    """Send a message in a conversation of its own; gives the call."""
    conversation = await socket.new_conversation()
    input = {"conversationId": conversation, "message": message, "clientMessageId": message}
    return await socket.call("subscription", STREAM_MESSAGE, input)


async def read_whole(socket: RawSocket, call: int) -> Seen:
    """All events of a turn, in the connection's own time."""
    return [event async for event in socket.events(call)]


async def test_turns_end_or_are_interrupted_whole_whatever_stuck_readers_do(
    launcher: Path, tmp_path: Path
) -> None:
    gate = asyncio.Event()
    # A busy machine takes seconds for the floods, which compete with the answers that are interrupted.
    grace = {"TIDEWIRE_SHUTDOWN_GRACE": "16", "TIDEWIRE_SHUTDOWN_SPREAD": "0.2"}
    async with Deployment(launcher, tmp_path, **grace) as deployment, AsyncExitStack() as stack:
        life = await deployment.start()
        play = deployment.playbook
        proxy = await stack.enter_async_context(Proxy(deployment.url))
        stuck = [await stack.enter_async_context(RawSocket(proxy.url)) for _ in range(STUCK)]
        for number, socket in enumerate(stuck):
            play.script(f"flood {number}", FLOOD.hold(1, gate))
            await begin(socket, f"flood {number}")
        sockets = [await stack.enter_async_context(RawSocket(deployment.url)) for _ in range(SOCKETS)]
        calls: list[tuple[RawSocket, int]] = []
        for number in range(LIVE):
            script = ENDLESS_ANSWER if number < ENDLESS else text_answer(TEXT).hold(10, gate)
            play.script(f"live {number}", script)
            socket = sockets[number % SOCKETS]
            calls.append((socket, await begin(socket, f"live {number}")))
        for number in range(LIVE):
            await play.held(f"live {number}")
        for number in range(STUCK):
            await play.held(f"flood {number}")

        proxy.stall()
        life.terminate()
        for socket in sockets:
            assert await socket.frame(None) == {"id": None, "method": "reconnect"}
        gate.set()
        try:
            seen = await asyncio.gather(*(read_whole(*each) for each in calls))
            assert await ended_in_time(life), life.log
        finally:
            # Or closing the stuck sockets would take its time.
            proxy.resume()

        records = Records.read(deployment.database)
        records.check()
        for number, events in enumerate(seen):
            records.check_seen_whole(events)
            answer = records.answer(f"live {number}")
            ends = ("interrupted", "so far and no") if number < ENDLESS else ("ok", TEXT)
            assert (answer["status"], answer["content"]) == ends
        assert {records.answer(f"flood {number}")["status"] for number in range(STUCK)} == {"ok"}


@pytest.mark.parametrize("version", CLIENT_VERSIONS)
async def test_a_mutation_under_way_is_answered_once(
    version: ClientVersion, launcher: Path, folder: Path
) -> None:
    async with Deployment(launcher, folder) as deployment:
        life = await deployment.start()
        async with (
            StockClient(deployment.url, version=version, retry_delay=RETRY_DELAY) as client,
            RawSocket(deployment.url) as other,
        ):
            await client.until("open")
            with closing(sqlite3.connect(deployment.database, isolation_level=None)) as lock:
                lock.execute("BEGIN IMMEDIATE")
                creating = asyncio.create_task(client.mutate("conversations.create", {"title": "Once"}))
                # Sent after it on the same connection, and answered: reading needs no lock.
                await asyncio.create_task(client.query("conversations.list", {}))
                life.terminate()
                assert (await other.frame(None))["method"] == "reconnect"
                lock.execute("COMMIT")
            created = await creating
            assert await ended_in_time(life)
            await deployment.start()
            # Clients of 11.18 fail a query that is asked in the moment in which they connect.
            await client.until("open")
            listed = (await client.query("conversations.list", {}))["items"]
            assert [(each["id"], each["title"]) for each in listed] == [(created["id"], "Once")]


@asynccontextmanager
async def talking(url: str) -> AsyncGenerator[list[Talk]]:
    """A conversation of a stock client of each version."""
    async with AsyncExitStack() as stack:
        talks: list[Talk] = []
        for version in CLIENT_VERSIONS:
            client = await stack.enter_async_context(
                StockClient(url, version=version, retry_delay=RETRY_DELAY)
            )
            conversation: Any = await client.mutate("conversations.create", {})
            talks.append(Talk(client, conversation["id"]))
        try:
            yield talks
        finally:
            for talk in talks:
                await talk.give_up()


async def answered(talks: list[Talk]) -> None:
    """Wait until all have read their answers."""
    for talk in talks:
        await talk.answered()


def say_and_hold(deployment: Deployment, talks: list[Talk], deploy: int, gate: asyncio.Event) -> list[str]:
    """Have each talk begin a turn that stops in the middle; gives their messages."""
    messages = [f"deploy {deploy}, client {number}" for number in range(len(talks))]
    for message, talk in zip(messages, talks, strict=True):
        deployment.playbook.script(message, text_answer(TEXT).hold(10, gate))
        talk.say(message)
    return messages


@pytest.mark.parametrize("ends", [True, False], ids=["ends", "is-interrupted"])
async def test_what_a_client_folds_over_a_restart_is_what_is_stored(
    ends: bool, launcher: Path, folder: Path
) -> None:
    grace = "10" if ends else "2"
    async with Deployment(launcher, folder, TIDEWIRE_SHUTDOWN_GRACE=grace) as deployment:
        life = await deployment.start()
        async with talking(deployment.url) as talks:
            for deploy in range(SIZES.deploys):
                gate = asyncio.Event()
                messages = say_and_hold(deployment, talks, deploy, gate)
                for message in messages:
                    await deployment.playbook.held(message)
                for talk in talks:
                    await talk.readings[-1].has("text_delta")
                life.terminate()
                if ends:
                    gate.set()
                assert await ended_in_time(life)
                life = await deployment.start()
                await answered(talks)
                records = Records.read(deployment.database)
                records.check()
                for message, talk in zip(messages, talks, strict=True):
                    records.check_seen_whole(talk.readings[-1].seen)
                    answer = records.answer(message)
                    assert answer["status"] == ("ok" if ends else "interrupted")
                    assert answer["content"] == TEXT or not ends
                    assert TEXT.startswith(answer["content"])
                    assert len(deployment.playbook.requests(message)) == 1


async def test_clients_move_to_the_next_server_while_the_last_one_still_answers(
    launcher: Path, folder: Path
) -> None:
    async with Deployment(launcher, folder, TIDEWIRE_SHUTDOWN_GRACE="20") as deployment:
        old = await deployment.start()
        async with Proxy(deployment.url) as proxy, talking(proxy.url) as talks:
            for deploy in range(SIZES.deploys):
                gate = asyncio.Event()
                messages = say_and_hold(deployment, talks, deploy, gate)
                for message in messages:
                    await deployment.playbook.held(message)
                for talk in talks:
                    await talk.readings[-1].has("text_delta")
                new = await deployment.start(port=0)
                proxy.lead_to(new.url)
                old.terminate()
                # The new one works at once, whatever the old one still does.
                async with RawSocket(f"{new.url}/api/trpc") as socket:
                    seen = await read_whole(socket, await begin(socket, f"first of {deploy}"))
                    assert seen[-1]["data"]["status"] == "ok"
                gate.set()
                await answered(talks)
                assert await ended_in_time(old)
                records = Records.read(deployment.database)
                records.check()
                for message, talk in zip(messages, talks, strict=True):
                    records.check_seen_whole(talk.readings[-1].seen)
                    assert (records.answer(message)["status"], records.answer(message)["content"]) == (
                        "ok",
                        TEXT,
                    )
                    assert len(deployment.playbook.requests(message)) == 1
                old = new
