"""The end of the chat server's process: turns run to their end, and readers see it."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from tests.tidewire.runner.ending import RECONNECT, Ending, frame, get, rest, run, send, socket


@asynccontextmanager
async def chat(folder: Path, **env: str) -> AsyncGenerator[Ending]:
    settings = {"DATABASE_URL": f"sqlite:///{folder / 'chat.db'}", "TIDEWIRE_TRANSFORMER": "none"}
    async with run(None, env=settings | env) as server:
        yield server


async def begin_turn(connection: ClientConnection) -> None:
    """Send a message, and wait for the first words of the answer."""
    await send(connection, "mutation", "conversations.create", {}, id=1)
    conversation = (await frame(connection))["result"]["data"]["id"]
    message = {"conversationId": conversation, "message": "Hello"}
    await send(connection, "subscription", "conversations.streamMessage", message, id=2)
    while type_of(await frame(connection)) != "text_delta":
        pass


def type_of(message: Any) -> str | None:
    result = message.get("result", {})
    return str(result["data"]["data"]["type"]) if result.get("type") == "data" else None


def status_of_answer(folder: Path) -> tuple[str, str]:
    connection = sqlite3.connect(folder / "chat.db")
    try:
        query = "SELECT status, content FROM messages WHERE role = 'assistant'"
        status, content = connection.execute(query).fetchone()
    finally:
        connection.close()
    return status, content


async def test_a_turn_runs_to_its_end_and_the_server_is_not_ready_meanwhile(tmp_path: Path) -> None:
    async with chat(tmp_path, TIDEWIRE_DEMO_DELAY="0.05") as server, socket(server) as reader:
        host = server.url.removesuffix("/api/trpc")
        assert await get(f"{host}/readyz") == (200, "ready\n")
        await begin_turn(reader)
        server.kill()
        while await frame(reader) != RECONNECT:
            pass
        assert await get(f"{host}/readyz") == (503, "draining\n")
        assert await get(f"{host}/healthz") == (200, "ok\n")
        frames, code = await rest(reader)
        assert (frames[-2]["result"]["data"]["data"]["type"], code) == ("complete", 1012)
        assert await server.exit_code() == 0
        assert server.complaints == []
    assert status_of_answer(tmp_path)[0] == "ok"


@pytest.mark.parametrize("hurry", [False, True], ids=["deadline", "second signal"])
async def test_a_turn_that_takes_too_long_is_interrupted_and_its_text_kept(
    tmp_path: Path, hurry: bool
) -> None:
    grace = "60" if hurry else "2.5"
    env = {"TIDEWIRE_DEMO_DELAY": "1", "TIDEWIRE_SHUTDOWN_GRACE": grace}
    async with chat(tmp_path, **env) as server, socket(server) as reader:
        await begin_turn(reader)
        loop = asyncio.get_running_loop()
        asked = loop.time()
        server.kill()
        if hurry:
            while await frame(reader) != RECONNECT:
                pass
            server.kill()
        frames, code = await rest(reader)
        ends = [each["result"]["data"]["data"] for each in frames if type_of(each) == "complete"]
        assert ([end["status"] for end in ends], code) == (["interrupted"], 1012)
        assert await server.exit_code() == 0
        assert loop.time() - asked < 5
        assert server.complaints == []
    status, content = status_of_answer(tmp_path)
    assert status == "interrupted"
    assert content
