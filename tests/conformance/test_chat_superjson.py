"""The chat server as it is by default: with superjson."""

from pathlib import Path

import pytest

from tests.conformance.client import CLIENT_VERSIONS, ClientVersion, StockClient
from tests.processes import serve


@pytest.mark.parametrize("version", CLIENT_VERSIONS)
async def test_a_turn_with_a_tool_call_streams_to_a_client_with_superjson(
    node_modules: Path, tmp_path: Path, version: ClientVersion
) -> None:
    async with (
        serve(env={"TIDEWIRE_DEMO_DELAY": "0"}, cwd=tmp_path) as server,
        StockClient(f"{server.url}/api/trpc", version=version, transformer="superjson") as client,
    ):
        conversation = await client.mutate("conversations.create", {})
        message = {"conversationId": conversation["id"], "message": "What is 6 * 7?"}
        async with client.subscribe("conversations.streamMessage", message) as events:
            types = [event["data"]["type"] async for event in events]
        state = await client.query("conversations.get", {"conversationId": conversation["id"]})

    assert types.index("tool_call_complete") < types.index("text_delta")
    assert types[-1] == "complete"
    question, answer = state["messages"]
    assert (question["content"], answer["status"]) == ("What is 6 * 7?", "ok")
    assert "42" in answer["content"]
