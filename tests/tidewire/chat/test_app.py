"""The chat server as an application: who may connect, and how it begins and ends."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.tidewire.chat.scripted import ScriptedProvider, text
from tidewire import ConnectionInfo, RPCError
from tidewire.chat import Settings, SettingsError, create_chat_app, tool
from tidewire.chat.answering import AnswerSettings
from tidewire.chat.context import Authenticate
from tidewire.chat.providers import DemoProvider, OpenAIProvider, Text
from tidewire.chat.server import ChatServer
from tidewire.chat.store import NewerDatabaseError, StoreError
from tidewire.chat.store.messages import Messages
from tidewire.chat.turns import Question, Turns

URL = "/api/trpc"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "chat.db"


def ask(socket: Any, method: str, path: str, input: Any) -> Any:
    socket.send_json({"id": 1, "method": method, "params": {"path": path, "input": input}})
    return socket.receive_json()


def statuses(file: Path) -> list[str]:
    with sqlite3.connect(file) as connection:
        found = [row[0] for row in connection.execute("SELECT status FROM messages ORDER BY seq")]
    connection.close()
    return found


# ---------- one application


def test_the_application_serves_the_procedures_and_says_that_it_is_well(
    settings: Settings, scripted: ScriptedProvider
) -> None:
    scripted.script(text("Hello"))
    with TestClient(create_chat_app(settings, provider=scripted)) as client:
        assert (client.get("/healthz").status_code, client.get("/healthz").text) == (200, "ok\n")
        with client.websocket_connect(URL) as socket:
            created = ask(socket, "mutation", "conversations.create", {})["result"]["data"]
            input = {"conversationId": created["id"], "message": "Hi"}
            assert ask(socket, "subscription", "conversations.streamMessage", input)["result"] == {
                "type": "started"
            }
            types: list[str] = []
            while not types or types[-1] != "complete":
                types.append(socket.receive_json()["result"]["data"]["data"]["type"])
            assert types == ["start", "title", "text_delta", "usage", "complete"]
    assert scripted.closed


def test_tools_of_ones_own_replace_the_built_in_ones(settings: Settings, scripted: ScriptedProvider) -> None:
    @tool
    async def fetch(page: str) -> str:
        """Fetch a page."""
        return page

    app = create_chat_app(settings, provider=scripted, tools=[fetch])
    with TestClient(app) as client, client.websocket_connect(URL) as socket:
        listed = ask(socket, "query", "tools.list", None)["result"]["data"]
    assert [each["name"] for each in listed] == ["fetch"]


def test_settings_come_from_the_environment_by_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIDEWIRE_MODEL", "some-model")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-some-secret-key")
    assert create_chat_app().state.chat.provider.default_model == "some-model"
    monkeypatch.setenv("PORT", "many")
    with pytest.raises(SettingsError, match="PORT"):
        create_chat_app()


@pytest.mark.parametrize(
    ("settings", "kind", "description"),
    [
        (
            Settings(database_url="sqlite:///a.db"),
            DemoProvider,
            "provider demo with model demo, database sqlite:///a.db",
        ),
        (
            Settings(openai_api_key="sk-secret-key", model="m", database_url="sqlite:///a.db"),
            OpenAIProvider,
            "provider openai with model m, database sqlite:///a.db",
        ),
    ],
)
async def test_the_description_names_provider_and_database_and_no_secret(
    settings: Settings, kind: type, description: str
) -> None:
    chat = ChatServer(settings)
    assert isinstance(chat.provider, kind)
    assert chat.description == description
    await chat.provider.close()


# ---------- who is connecting


def by_header(connection: ConnectionInfo) -> str:
    name = connection.headers.get("x-user")
    if name is None:
        raise RPCError("UNAUTHORIZED", "Say who you are")
    return name


async def by_header_later(connection: ConnectionInfo) -> str:
    await asyncio.sleep(0)
    return by_header(connection)


@pytest.mark.parametrize("authenticate", [by_header, by_header_later])
def test_what_is_created_belongs_to_who_authenticated(
    settings: Settings, scripted: ScriptedProvider, authenticate: Authenticate
) -> None:
    app = create_chat_app(settings, provider=scripted, authenticate=authenticate)
    found = {}
    with TestClient(app) as client:
        with client.websocket_connect(URL, headers={"x-user": "ann"}) as socket:
            ask(socket, "mutation", "conversations.create", {})
        for name in ("ann", "bob"):
            with client.websocket_connect(URL, headers={"x-user": name}) as socket:
                listed = ask(socket, "query", "conversations.list", {})["result"]["data"]["items"]
                found[name] = len(listed)
    assert found == {"ann": 1, "bob": 0}


@pytest.mark.parametrize("authenticate", [by_header, by_header_later])
def test_who_is_refused_is_told_why(
    settings: Settings, scripted: ScriptedProvider, authenticate: Authenticate
) -> None:
    app = create_chat_app(settings, provider=scripted, authenticate=authenticate)
    with TestClient(app) as client, client.websocket_connect(URL) as socket:
        error = socket.receive_json()["error"]
    assert (error["data"]["code"], error["message"]) == ("UNAUTHORIZED", "Say who you are")


# ---------- beginning and ending


async def half_an_answer(settings: Settings, scripted: ScriptedProvider) -> Callable[[], Awaitable[None]]:
    """Run a server up to the middle of an answer; gives what ends the server."""
    chat = ChatServer(settings, provider=scripted)
    scripted.script([Text("half "), asyncio.Event()])
    running = chat.running()
    await running.__aenter__()
    await begin_turn(chat)
    await scripted.waiting.wait()

    async def end() -> None:
        await running.__aexit__(None, None, None)

    return end


async def begin_turn(chat: ChatServer) -> AsyncIterator[Any]:
    conversation = await chat.store.conversations.create("local")
    question = Question(
        owner="local",
        conversation_id=conversation.id,
        text="Hi",
        client_message_id=None,
        settings=AnswerSettings(model="m"),
    )
    return await chat.turns.stream(question, None)


async def test_ending_interrupts_turns_before_it_closes_what_they_need(
    settings: Settings, scripted: ScriptedProvider, file: Path
) -> None:
    end = await half_an_answer(settings, scripted)
    await end()
    assert statuses(file) == ["ok", "interrupted"]
    assert (scripted.open_streams, scripted.closed) == (0, True)


async def test_what_was_left_streaming_is_interrupted_at_the_next_start(
    settings: Settings, scripted: ScriptedProvider, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await (await half_an_answer(settings, scripted))()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE messages SET status = 'streaming' WHERE role = 'assistant'")
    connection.close()
    async with ChatServer(settings, provider=ScriptedProvider()).running():
        assert statuses(file) == ["ok", "interrupted"]
    assert "1 answers were cut off" in caplog.text


async def test_a_failure_while_turns_end_does_not_leave_the_database_open(
    settings: Settings, scripted: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Turns, "drain", fail)
    chat = ChatServer(settings, provider=scripted)
    with pytest.raises(RuntimeError, match="a bug"):
        async with chat.running():
            pass
    assert scripted.closed
    with pytest.raises(StoreError, match="closed"):
        await chat.store.conversations.create("local")


async def test_a_failure_at_the_start_does_not_leave_the_database_open(
    settings: Settings, scripted: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise StoreError("The database is busy or unavailable.")

    monkeypatch.setattr(Messages, "streaming_turns", fail)
    chat = ChatServer(settings, provider=scripted)
    with pytest.raises(StoreError):
        async with chat.running():
            pytest.fail("it must not begin")
    with pytest.raises(StoreError, match="closed"):
        await chat.store.conversations.create("local")


@pytest.fixture
async def _driver_at_rest() -> AsyncIterator[None]:
    """The driver's thread of a connection that failed says a last word to the loop, unawaited."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if "_connection_worker" in thread.name:
            await asyncio.to_thread(thread.join)


@pytest.mark.usefixtures("_driver_at_rest")
async def test_a_database_that_cannot_be_opened_is_said_in_one_sentence(
    scripted: ScriptedProvider, tmp_path: Path
) -> None:
    chat = ChatServer(Settings(database_url=f"sqlite:///{tmp_path}"), provider=scripted)
    with pytest.raises(StoreError, match=r"^The database sqlite:///\S+ cannot be opened: [^\n]+\.$"):
        async with chat.running():
            pytest.fail("it must not begin")
    assert scripted.closed


async def test_a_newer_database_is_left_alone(
    settings: Settings, scripted: ScriptedProvider, file: Path
) -> None:
    async with ChatServer(settings, provider=scripted).running():
        pass
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(NewerDatabaseError, match="9999"):
        async with ChatServer(settings, provider=scripted).running():
            pytest.fail("it must not begin")
