"""What goes wrong stays where it belongs: on its own call, typed, with its cause in the log."""

import asyncio
import json
import socket
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.conformance.chat import (
    API_KEY,
    Chat,
    RawSocket,
    of_type,
    read,
    read_until,
    running_chat,
    text_of,
    types_of,
)
from tests.conformance.client import StockClient, StockClientError
from tests.processes import Server, serve
from tests.upstream import (
    ROLE,
    Cut,
    Script,
    Send,
    Stall,
    chunk,
    event,
    failure,
    html_answer,
    stream,
    text_answer,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "conversations.streamMessage"
SUBSCRIPTIONS = {PATH, "conversations.regenerate", "conversations.watch"}


async def new(client: StockClient) -> str:
    return str((await client.mutate("conversations.create", {}))["id"])


async def ask(client: StockClient, conversation: str, message: Any, **more: Any) -> list[Any]:
    """Send a message, and read its turn to the end."""
    input = {"conversationId": conversation, "message": message, **more}
    async with client.subscribe(PATH, input) as events:
        return await read(events)


async def call(client: StockClient, path: str, input: Any) -> Any:
    if path in SUBSCRIPTIONS:
        async with client.subscribe(path, input) as events:
            return await read(events)
    if path.split(".")[1] in {"create", "rename", "delete", "stop"}:
        return await client.mutate(path, input)
    return await client.query(path, input)


async def refusal(client: StockClient, path: str, input: Any) -> StockClientError:
    """What a call is refused with; the connection must serve another one after it."""
    with pytest.raises(StockClientError) as caught:
        await call(client, path, input)
    assert await client.query("tools.list")
    return caught.value


# ---------- what the upstream does wrong

PARTIAL = [ROLE, chunk({"content": "one "}), chunk({"content": "two "})]
WHOLE = text_answer("one two three")
MARK = "the upstream's own words"
ERROR = {"error": {"message": MARK, "type": "server_error", "param": None, "code": None}}
KEY_ECHO = f"Incorrect API key provided: {API_KEY}. {MARK}"


def first_bytes(script: Script, marker: bytes) -> Script:
    return script.cut_at(script.body.index(marker))


# name: what the upstream answers, the error's code, whether to try again, the status, the text that
# is kept, and what the log must hold
FAILURES: dict[str, tuple[Script, str, bool, str, str, str]] = {
    "401": (failure(401, KEY_ECHO), "UNAUTHORIZED", False, "error", "", MARK),
    "403": (failure(403, MARK), "FORBIDDEN", False, "error", "", MARK),
    "429": (failure(429, MARK, type="requests"), "TOO_MANY_REQUESTS", True, "error", "", MARK),
    "500": (failure(500, MARK, type="server_error"), "BAD_GATEWAY", True, "error", "", MARK),
    "503": (failure(503, MARK), "SERVICE_UNAVAILABLE", True, "error", "", MARK),
    "HTML": (html_answer(), "BAD_GATEWAY", False, "error", "", "HTML"),
    "HTML with 502": (html_answer(502), "BAD_GATEWAY", True, "error", "", "HTTP 502"),
    "broken JSON": (
        stream(*PARTIAL, Send(b'data: {"choices": [\n\n')),
        "BAD_GATEWAY",
        True,
        "error",
        "one two ",
        "cannot be read",
    ),
    "an error in the stream": (
        stream(*PARTIAL, event(ERROR)),
        "BAD_GATEWAY",
        True,
        "error",
        "one two ",
        MARK,
    ),
    "cut before the first byte": (stream(Cut()), "BAD_GATEWAY", True, "error", "", "RemoteProtocolError"),
    "cut before the first event": (WHOLE.cut_at(0), "BAD_GATEWAY", True, "interrupted", "", "broke off"),
    "cut inside of an event": (
        first_bytes(WHOLE, b'ee"'),
        "BAD_GATEWAY",
        True,
        "interrupted",
        "one two ",
        "broke off",
    ),
    "cut between events": (
        stream(*PARTIAL, Cut()),
        "BAD_GATEWAY",
        True,
        "interrupted",
        "one two ",
        "broke off",
    ),
    "an end without a proof": (stream(*PARTIAL), "BAD_GATEWAY", True, "interrupted", "one two ", "broke off"),
}


async def failed(
    chat: Chat, client: StockClient, conversation: str, message: str, *, kept: str, status: str
) -> Any:
    """Send a message that fails; gives the error, once all that must hold of its turn was checked."""
    events = await ask(client, conversation, message)
    assert types_of(events)[-2:] == ["error", "complete"]
    assert (text_of(events), events[-1]["status"]) == (kept, status)
    assert MARK not in json.dumps(events)
    _, answer = chat.rows(conversation)
    assert (answer["status"], answer["content"]) == (status, kept)
    [error] = of_type(events, "error")
    state = await client.query("conversations.get", {"conversationId": conversation})
    expected = {key: error[key] for key in ("code", "message", "retryable")}
    assert state["messages"][1]["error"] == expected
    return error


@pytest.mark.parametrize("name", FAILURES)
async def test_a_failing_upstream_is_an_error_of_its_turn_alone(
    chat: Chat, client: StockClient, topic: str, name: str
) -> None:
    script, code, retryable, status, kept, cause = FAILURES[name]
    gate = asyncio.Event()
    chat.playbook.script(f"{topic} neighbour", text_answer("fine as ever").hold(2, gate))
    # A connection kept from an earlier answer may be the one that is cut, and the request sent once more.
    attempts = 2 if name == "cut before the first byte" else 1
    chat.playbook.script(topic, *[script] * attempts)
    conversation = await new(client)
    input = {"conversationId": await new(client), "message": f"{topic} neighbour"}
    async with client.subscribe(PATH, input) as neighbour:
        seen = await read_until(neighbour, "text_delta")
        error = await failed(chat, client, conversation, topic, kept=kept, status=status)
        assert (error["code"], error["retryable"]) == (code, retryable)
        gate.set()
        assert text_of([*seen, *await read(neighbour)]) == "fine as ever"
    log = "\n".join(chat.server.log)
    assert cause in log
    assert API_KEY not in log
    assert 1 <= len(chat.playbook.requests(topic)) <= attempts
    assert text_of(await ask(client, conversation, f"{topic} again")) == f"You said {topic} again"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def impatient(tmp_path_factory: pytest.TempPathFactory, node_modules: Path) -> AsyncIterator[Chat]:
    folder = tmp_path_factory.mktemp("impatient")
    async with running_chat(folder, TIDEWIRE_STALL_TIMEOUT="0.3", TIDEWIRE_MODELS="one,two") as chat:
        yield chat


@pytest.mark.parametrize(
    ("script", "kept"),
    [
        (stream(Stall()), ""),
        (stream(Send(b""), Stall()), ""),
        (stream(*PARTIAL, Stall()), "one two "),
    ],
    ids=["before the head", "before the first event", "mid-stream"],
)
async def test_an_upstream_that_falls_silent_is_given_up(
    impatient: Chat, topic: str, script: Script, kept: str
) -> None:
    impatient.playbook.script(topic, script)
    async with StockClient(impatient.url) as client:
        conversation, other = await new(client), await new(client)
        failing = asyncio.create_task(
            failed(impatient, client, conversation, topic, kept=kept, status="error")
        )
        request = await impatient.playbook.held(topic)
        assert text_of(await ask(client, other, f"{topic} other")) == f"You said {topic} other"
        error = await failing
    assert (error["code"], error["retryable"]) == ("GATEWAY_TIMEOUT", True)
    assert request.hung_up.is_set()
    assert any("ReadTimeout" in line for line in impatient.server.log)


async def test_an_upstream_that_refuses_connections_is_an_error_of_the_turn(
    tmp_path: Path, node_modules: Path, topic: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    async with running_chat(tmp_path, OPENAI_BASE_URL=nobody) as chat, StockClient(chat.url) as client:
        conversation = await new(client)
        error = await failed(chat, client, conversation, topic, kept="", status="error")
        assert (error["code"], error["retryable"]) == ("BAD_GATEWAY", True)
        assert (await refusal(client, "models.list", None)).code == "BAD_GATEWAY"
    assert any("ConnectError" in line for line in chat.server.log)


# ---------- what the client does wrong


@pytest.mark.parametrize("path", ["get", "rename", "delete", "stop", "streamMessage", "regenerate", "watch"])
async def test_an_unknown_conversation_is_not_found(client: StockClient, path: str) -> None:
    input = {"conversationId": "nowhere"}
    more = {"rename": {"title": "T"}, "streamMessage": {"message": "Hi"}, "regenerate": {"messageId": "m"}}
    input |= more.get(path, {})
    error = await refusal(client, f"conversations.{path}", input)
    assert (error.code, error.message) == ("NOT_FOUND", "There is no such conversation")
    assert error.data is not None
    assert error.data["path"] == f"conversations.{path}"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"message": 5}, "input.message"),
        ({"message": " \n "}, "The message is empty"),
        ({"message": "Hi", "config": {"temperature": "hot"}}, "input.config.temperature"),
        ({"message": "Hi", "config": {"tools": ["calculate", 5]}}, "input.config.tools[1]"),
        ({"message": "Hi", "config": {"tools": ["no_such_tool"]}}, "no tool called 'no_such_tool'"),
        ({}, "message"),
    ],
    ids=["number", "white space", "temperature", "tool", "unknown tool", "missing"],
)
async def test_a_wrong_message_is_refused_with_the_path_of_what_is_wrong(
    chat: Chat, client: StockClient, topic: str, fields: dict[str, Any], named: str
) -> None:
    conversation = await new(client)
    error = await refusal(client, PATH, {"conversationId": conversation, **fields})
    assert error.code == "BAD_REQUEST"
    assert named in error.message
    assert chat.rows(conversation) == []


@pytest.mark.parametrize(
    ("path", "input", "code"),
    [
        ("conversations.create", {"title": 5}, "BAD_REQUEST"),
        ("conversations.list", {"limit": 0}, "BAD_REQUEST"),
        ("conversations.list", {"cursor": "nonsense"}, "BAD_REQUEST"),
        ("conversations.nothing", {}, "NOT_FOUND"),
        ("nothing.at.all", {}, "NOT_FOUND"),
        ("conversations.streamMessage.deeper", {}, "NOT_FOUND"),
    ],
)
async def test_a_wrong_call_is_refused_by_itself(
    client: StockClient, path: str, input: Any, code: str
) -> None:
    assert (await refusal(client, path, input)).code == code


async def test_a_query_of_a_mutations_path_is_not_found(client: StockClient) -> None:
    with pytest.raises(StockClientError) as caught:
        await client.query("conversations.create", {})
    assert caught.value.code == "NOT_FOUND"


async def test_a_model_that_may_not_be_chosen_is_refused(impatient: Chat, topic: str) -> None:
    async with StockClient(impatient.url) as client:
        conversation = await new(client)
        input = {"conversationId": conversation, "message": topic, "config": {"model": "three"}}
        error = await refusal(client, PATH, input)
        assert (error.code, "'three'" in error.message) == ("BAD_REQUEST", True)
        await ask(client, conversation, topic, config={"model": "two"})
        assert await client.query("models.list") == [
            {"id": "one", "isDefault": True},
            {"id": "two", "isDefault": False},
        ]
    assert [request.json["model"] for request in impatient.playbook.requests(topic)] == ["two"]


# ---------- malformed frames


async def unharmed(chat: Chat, socket: RawSocket, topic: str, frame: str | bytes, call: int | None) -> Any:
    """Send a bad frame in the middle of a turn; gives its error, once the turn has gone on to its end."""
    gate = asyncio.Event()
    chat.playbook.script(topic, text_answer("one two").hold(2, gate))
    conversation = await socket.new_conversation()
    input = {"conversationId": conversation, "message": topic}
    events = socket.events(await socket.call("subscription", PATH, input))
    seen = await read_until(events, "text_delta")
    await socket.send(frame)
    error = (await socket.frame(call))["error"]
    gate.set()
    assert text_of([*seen, *await read(events)]) == "one two"
    return error["data"]["code"]


@pytest.mark.parametrize(
    ("frame", "call", "code"),
    [
        ("{", None, "PARSE_ERROR"),
        ("", None, "PARSE_ERROR"),
        ("null", None, "PARSE_ERROR"),
        ("[[]]", None, "PARSE_ERROR"),
        (b"\x00\x01", None, "PARSE_ERROR"),
        ('{"id":900,"method":"dance","params":{"path":"x"}}', None, "PARSE_ERROR"),
        ('{"id":900,"method":"query","params":{"path":"no.such"}}', 900, "NOT_FOUND"),
        ('{"id":900,"method":"query","params":{"path":5}}', None, "PARSE_ERROR"),
        ('{"id":900,"method":"query","params":{"path":"tools.list","lastEventId":5}}', None, "PARSE_ERROR"),
        ("[" * 100_000, None, "PARSE_ERROR"),
    ],
    ids=["brace", "empty", "null", "nested", "binary", "method", "path", "number", "event id", "deep"],
)
async def test_a_malformed_frame_does_not_disturb_a_turn(
    chat: Chat, topic: str, frame: str | bytes, call: int | None, code: str
) -> None:
    async with RawSocket(chat.url) as socket:
        assert await unharmed(chat, socket, topic, frame, call) == code


async def test_an_oversized_message_is_refused_on_its_own_call(chat: Chat, topic: str) -> None:
    input = {"conversationId": "x", "message": "x" * (1 << 20)}
    frame = json.dumps({"id": 900, "method": "subscription", "params": {"path": PATH, "input": input}})
    async with RawSocket(chat.url) as socket:
        assert await unharmed(chat, socket, topic, frame, 900) == "PAYLOAD_TOO_LARGE"


async def test_a_message_longer_than_a_message_may_be_is_refused(client: StockClient) -> None:
    conversation = await new(client)
    error = await refusal(client, PATH, {"conversationId": conversation, "message": "x" * 200_001})
    assert (error.code, "input.message" in error.message) == ("BAD_REQUEST", True)


# ---------- other people's conversations


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, node_modules: Path) -> AsyncIterator[Chat]:
    folder = tmp_path_factory.mktemp("shared")
    async with running_chat(folder, "tests.conformance.chat_owners:app") as chat:
        yield chat


async def test_another_owners_conversation_does_not_exist(shared: Chat, topic: str) -> None:
    async with (
        StockClient(shared.url, connection_params={"user": "ann"}) as ann,
        StockClient(shared.url, connection_params={"user": "bob"}) as bob,
    ):
        gate = asyncio.Event()
        shared.playbook.script(topic, text_answer("one two").hold(2, gate))
        conversation = await new(ann)
        identified = {"conversationId": conversation}
        async with ann.subscribe(PATH, {**identified, "message": topic}) as events:
            seen = await read_until(events, "text_delta")
            for path, more in (
                ("conversations.get", {}),
                ("conversations.rename", {"title": "Mine"}),
                ("conversations.delete", {}),
                ("conversations.stop", {}),
                (PATH, {"message": topic}),
                ("conversations.regenerate", {"messageId": "m"}),
                ("conversations.watch", {}),
            ):
                error = await refusal(bob, path, {**identified, **more})
                assert (path, error.code) == (path, "NOT_FOUND")
            assert await bob.query("conversations.list", {"search": topic}) == {"items": []}
            gate.set()
            assert text_of([*seen, *await read(events)]) == "one two"


async def test_no_event_id_opens_another_owners_conversation(shared: Chat, topic: str) -> None:
    shared.playbook.script(topic, text_answer("one two"))
    async with StockClient(shared.url, connection_params={"user": "ann"}) as ann:
        conversation = await new(ann)
        identified = {"conversationId": conversation}
        turn_id = (await ask(ann, conversation, topic))[0]["turnId"]
        state = await ann.query("conversations.get", identified)
    async with RawSocket(f"{shared.url}?connectionParams=1") as bob:
        await bob.send(json.dumps({"method": "connectionParams", "data": {"user": "bob"}}))
        for path, more in (
            (PATH, {"message": topic}),
            ("conversations.regenerate", {"messageId": state["messages"][1]["id"]}),
            ("conversations.watch", {}),
        ):
            for after in (state["upTo"], f"{turn_id}.0", f"{conversation[:8]}.0"):
                input = {**identified, **more}
                frame = await bob.frame(await bob.call("subscription", path, input, last_event_id=after))
                assert (path, after, frame["error"]["data"]["code"]) == (path, after, "NOT_FOUND")


async def test_nobody_in_particular_is_refused(shared: Chat) -> None:
    async with RawSocket(shared.url) as socket:
        error = (await socket.frame(None))["error"]
    assert (error["data"]["code"], error["message"]) == ("UNAUTHORIZED", "Say who you are")


# ---------- settings, and the start


async def refused_start(cwd: Path, **env: str) -> list[str]:
    """The lines that a server prints that does not start."""
    with pytest.raises(RuntimeError, match="the server ended before it listened") as caught:
        async with serve(env={"OPENAI_API_KEY": API_KEY, **env}, cwd=cwd):
            pytest.fail("it must not start")
    lines = str(caught.value).splitlines()[1:]
    assert API_KEY not in str(caught.value)
    return lines


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("DATABASE_URL", "mysql://ann:secret@host/chat"),
        ("TIDEWIRE_MAX_TOOL_ROUNDS", "none"),
    ],
)
async def test_a_wrong_setting_is_one_sentence_that_names_it(tmp_path: Path, name: str, value: str) -> None:
    [line] = await refused_start(tmp_path, **{name: value})
    assert line.startswith(f"Error: {name} must ")
    assert line.endswith(".")
    assert value not in line


async def test_a_setting_from_a_file_is_named_as_well(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TIDEWIRE_DEMO_DELAY=soon\n")
    [line] = await refused_start(tmp_path)
    assert line == "Error: TIDEWIRE_DEMO_DELAY must be a number from 0 to 10."


def newer_database(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT NOT NULL)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    connection.close()


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [(Path.mkdir, "cannot be opened"), (newer_database, "newer version")],
    ids=["a folder", "newer"],
)
async def test_a_database_that_cannot_be_opened_is_one_sentence(
    tmp_path: Path, prepare: Any, reason: str
) -> None:
    prepare(tmp_path / "chat.db")
    [line] = await refused_start(tmp_path, DATABASE_URL=f"sqlite:///{tmp_path / 'chat.db'}")
    assert line.startswith("Error: The database ")
    assert reason in line


def start_line(server: Server) -> str:
    [line] = [line for line in server.log if line.startswith("Tidewire is listening on ")]
    return line


async def test_the_start_line_names_url_provider_and_database(tmp_path: Path) -> None:
    async with running_chat(tmp_path) as chat:
        line = start_line(chat.server)
    address = chat.server.url.replace("http", "ws")
    provider = "provider openai with model gpt-5-mini"
    assert line == (
        f"Tidewire is listening on {chat.server.url} "
        f"({address}/api/trpc, {provider}, database sqlite:///{tmp_path}/chat.db)"
    )


async def test_without_any_settings_the_demo_provider_answers(tmp_path: Path, node_modules: Path) -> None:
    env = {"TIDEWIRE_TRANSFORMER": "none"}
    async with serve(env=env, cwd=tmp_path) as server, StockClient(f"{server.url}/api/trpc") as client:
        assert "provider demo with model demo, database sqlite:///tidewire.db" in start_line(server)
        events = await ask(client, await new(client), "What is 6*7?")
    results = [each["result"] for each in of_type(events, "tool_call_complete")]
    assert results == [42]
    assert events[-1]["status"] == "ok"
    assert (tmp_path / "tidewire.db").is_file()
