"""While the database fails everybody is told; once it is well again everything is as it should be."""

import asyncio
import resource
import sqlite3
import urllib.request
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conformance.chat import RawSocket, types_of
from tests.conformance.client import WAIT_SECONDS
from tests.faults.deployment import Deployment
from tests.faults.records import Records
from tests.processes import Life
from tests.upstream import text_answer

APP: Final = "tests.faults.storage_app:app"
TEXT: Final = " ".join(f"word{number}" for number in range(30))

RETRY_DELAY: Final = 0.1

# The log tries again every second, and says so; it tells where from once, which takes 150 lines.
MOST_LINES: Final = 900

Fault = Callable[[Deployment, Life], Any]


@contextmanager
def full_disk(deployment: Deployment, life: Life) -> Generator[None]:
    """No file of the server's grows any more."""
    before = resource.prlimit(life.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(life.pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        if life.code is None:
            resource.prlimit(life.pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def locked(deployment: Deployment, life: Life) -> Generator[None]:
    """Another process writes for longer than anybody waits."""
    with closing(sqlite3.connect(deployment.database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


FAULTS: Final[dict[str, Fault]] = {"full disk": full_disk, "locked": locked}


@pytest.fixture(params=FAULTS, ids=lambda name: name.replace(" ", "-"))
def fault(request: pytest.FixtureRequest) -> Fault:
    """A way in which the database fails; the test runs with each."""
    return FAULTS[request.param]


@asynccontextmanager
async def serving(launcher: Path, folder: Path) -> AsyncGenerator[tuple[Deployment, Life]]:
    """A server that waits for a lock for a moment only."""
    url = f"sqlite:///{folder / 'chat.db'}?timeout=0.2"
    async with Deployment(launcher, folder, APP, DATABASE_URL=url, TIDEWIRE_SHUTDOWN_GRACE="4") as deployment:
        yield deployment, await deployment.start()


class Turn:
    """A turn that stops in the middle, and goes on when the test says so."""

    def __init__(self, deployment: Deployment, socket: RawSocket, message: str) -> None:
        self.message = message
        self.gate = asyncio.Event()
        self.seen: list[Any] = []
        self._play = deployment.playbook
        self._socket = socket
        self._call = 0
        self.conversation = ""

    async def begin(self) -> None:
        """Send the message, and read what comes before the middle."""
        self._play.script(self.message, text_answer(TEXT).hold(10, self.gate))
        self.conversation = await self._socket.new_conversation()
        input = {
            "conversationId": self.conversation,
            "message": self.message,
            "clientMessageId": self.message,
        }
        self._call = await self._socket.call("subscription", "conversations.streamMessage", input)
        await self._play.held(self.message)
        events = self._socket.events(self._call)
        while types_of(event["data"] for event in self.seen).count("text_delta") < 9:
            self.seen.append(await anext(events))

    async def failure(self) -> Any:
        """The error in which the subscription ends; until then events are read."""
        while True:
            frame = await self._socket.frame(self._call)
            if "error" in frame:
                return frame["error"]["data"]["code"]
            self.seen.append(frame["result"]["data"])

    async def rest(self, socket: RawSocket) -> None:
        """All events, by going on after the last one; again and again, as long as that is refused."""
        input = {
            "conversationId": self.conversation,
            "message": self.message,
            "clientMessageId": self.message,
        }
        async with asyncio.timeout(WAIT_SECONDS):
            while self.seen[-1]["data"]["type"] != "complete":
                last = self.seen[-1]["id"]
                self._call = await socket.call(
                    "subscription", "conversations.streamMessage", input, last_event_id=last
                )
                while (result := (await socket.frame(self._call)).get("result")) and result[
                    "type"
                ] != "stopped":
                    self.seen += [result["data"]] if result["type"] == "data" else []
                await asyncio.sleep(RETRY_DELAY)


async def health(life: Life) -> int:
    """What `/healthz` answers."""

    def ask() -> int:
        with urllib.request.urlopen(f"{life.url}/healthz", timeout=WAIT_SECONDS) as answer:
            return int(answer.status)

    return await asyncio.to_thread(ask)


async def check_answers(socket: RawSocket, message: str) -> None:
    """A new turn works at once."""
    conversation = await socket.new_conversation()
    call = await socket.call(
        "subscription", "conversations.streamMessage", {"conversationId": conversation, "message": message}
    )
    seen = [event async for event in socket.events(call)]
    assert seen[-1]["data"]["status"] == "ok"


def code_of(frame: Any) -> str:
    """The error that a call was answered with."""
    return str(frame["error"]["data"]["code"])


async def test_everybody_is_told_of_a_database_that_fails_and_all_is_mended_when_it_is_well(
    fault: Fault, launcher: Path, tmp_path: Path
) -> None:
    async with serving(launcher, tmp_path) as (deployment, life), RawSocket(deployment.url) as socket:
        turn, stopped = (Turn(deployment, socket, message) for message in ("goes on", "is stopped"))
        await turn.begin()
        await stopped.begin()
        quiet = len(life.log)
        with fault(deployment, life):
            turn.gate.set()
            # The reader is told, with a code on which stock clients come back.
            assert await turn.failure() == "SERVICE_UNAVAILABLE"
            stop = {"conversationId": stopped.conversation}
            assert code_of(await socket.ask("mutation", "conversations.stop", stop)) == "SERVICE_UNAVAILABLE"
            assert await stopped.failure() == "SERVICE_UNAVAILABLE"
            # So is whoever asks for something new, and the rest lives.
            create = await socket.ask("mutation", "conversations.create", {})
            assert code_of(create) == "SERVICE_UNAVAILABLE"
            new = {"conversationId": turn.conversation, "message": "another"}
            call = await socket.call("subscription", "conversations.streamMessage", new)
            assert code_of(await socket.frame(call)) in {"CONFLICT", "TIMEOUT"}
            assert "result" in await socket.ask("query", "conversations.list", {})
            assert await health(life) == 200
            assert len(life.log) - quiet < MOST_LINES, life.log[-100:]
        for each in (turn, stopped):
            await each.rest(socket)
        await check_answers(socket, "is well again")
        records = Records.read(deployment.database)
        records.check()
        for each in (turn, stopped):
            records.check_seen_whole(each.seen)
        assert records.answer("is stopped")["status"] == "stopped"
        # What could not be stored was not shown; the turn may have failed for it, or have got through.
        assert records.answer("goes on")["status"] in {"ok", "error"}


async def test_a_server_that_ends_while_its_database_fails_is_mended_by_the_next_start(
    fault: Fault, launcher: Path, tmp_path: Path
) -> None:
    async with serving(launcher, tmp_path) as (deployment, life):
        async with RawSocket(deployment.url) as socket:
            turn = Turn(deployment, socket, "is cut off")
            await turn.begin()
            with fault(deployment, life):
                life.terminate()
                assert await life.end() == 0
        await deployment.start()
        async with RawSocket(deployment.url) as socket:
            await turn.rest(socket)
            await check_answers(socket, "is well again")
        records = Records.read(deployment.database)
        records.check()
        records.check_seen_whole(turn.seen)
        assert records.answer("is cut off")["status"] == "interrupted"


async def test_a_server_does_not_start_on_a_database_that_fails_and_does_when_it_is_well(
    launcher: Path, tmp_path: Path
) -> None:
    async with serving(launcher, tmp_path) as (deployment, life):
        async with RawSocket(deployment.url) as socket:
            turn = Turn(deployment, socket, "is killed")
            await turn.begin()
            await life.kill()
        with locked(deployment, life), pytest.raises(RuntimeError, match="ended before it listened"):
            await deployment.start()
        await deployment.start()
        async with RawSocket(deployment.url) as socket:
            await turn.rest(socket)
        records = Records.read(deployment.database)
        records.check()
        records.check_seen_whole(turn.seen)
