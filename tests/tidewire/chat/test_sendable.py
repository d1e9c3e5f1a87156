"""Whatever a model writes and a tool answers can be sent, and so can its conversation be read."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.tidewire.chat.scripted import ScriptedProvider, calls, text
from tidewire.chat import Settings, create_chat_app, tool
from tidewire.chat.sendable import REFUSED, sendable
from tidewire_protocol.superjson import SUPERJSON

KEYS = st.sampled_from(sorted(REFUSED)) | st.text(max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
)


@given(JSON)
def test_what_is_sendable_can_be_sent_and_means_the_same(value: Any) -> None:
    sent = sendable(value)
    SUPERJSON.encode(sent)
    assert sent == value or json.loads(sent) == value


@pytest.mark.parametrize("value", [None, 1, "constructor", ["constructor"], {"a": "__proto__"}])
def test_what_can_be_sent_stays_as_it_is(value: Any) -> None:
    assert sendable(value) is value


def test_a_conversation_with_any_tool_call_can_be_followed_and_opened_again(
    tmp_path: Path, scripted: ScriptedProvider
) -> None:
    @tool
    async def standings(season: int) -> dict[str, Any]:
        """Who leads."""
        return {"season": season, "constructor": "Ferrari"}

    settings = Settings(database_url=f"sqlite:///{tmp_path / 'chat.db'}", shutdown_grace=0)
    scripted.script(
        calls(("a", "standings", '{"season": 1}'), ("b", "standings", '{"\\u005f_proto__": 1}')),
        text("Ferrari"),
    )
    with (
        TestClient(create_chat_app(settings, provider=scripted, tools=[standings])) as client,
        client.websocket_connect("/api/trpc") as socket,
    ):
        created = ask(socket, "mutation", "conversations.create", {})["data"]["json"]
        input = {"conversationId": created["id"], "message": "Who leads?"}
        ask(socket, "subscription", "conversations.streamMessage", input)
        events: list[Any] = []
        while not events or events[-1]["type"] != "complete":
            events.append(socket.receive_json()["result"]["data"]["json"]["data"])
        assert socket.receive_json()["result"]["type"] == "stopped"
        opened = ask(socket, "query", "conversations.get", {"conversationId": created["id"]})
    done = {each["toolCallId"]: each for each in events if each["type"] == "tool_call_complete"}
    assert done["a"]["result"] == '{"season":1,"constructor":"Ferrari"}'
    assert (done["b"]["args"], done["b"]["isError"]) == ('{"__proto__":1}', True)
    parts = opened["data"]["json"]["messages"][1]["parts"]
    assert [part.get("result") for part in parts[:2]] == [done["a"]["result"], done["b"]["result"]]


def ask(socket: Any, method: str, path: str, input: Any) -> Any:
    params = {"path": path, "input": {"json": input}}
    socket.send_json({"id": 1, "method": method, "params": params})
    return socket.receive_json()["result"]
