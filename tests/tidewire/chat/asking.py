"""What a client asks of the procedures, and what it gets."""

import asyncio
from typing import Any

import pytest

from tests.tidewire.chat.scripted import WAIT_SECONDS
from tidewire.testing import CallError, Client

Event = dict[str, Any]

PATHS = ["get", "rename", "delete", "stop", "streamMessage", "regenerate", "watch"]
"""What takes the id of a conversation."""

MORE: dict[str, dict[str, str]] = {
    "rename": {"title": "Mine"},
    "streamMessage": {"message": "Hi"},
    "regenerate": {"messageId": "m"},
}
"""What a call needs beside the conversation."""


async def new(client: Client, **fields: Any) -> str:
    return str((await client.mutate("conversations.create", fields))["id"])


async def send(
    client: Client, conversation_id: str, message: str = "Hello", *, after: str | None = None, **more: Any
) -> list[Event]:
    """Send a message, and read its turn to the end; `after` is the event to go on after."""
    input = {"conversationId": conversation_id, "message": message, **more}
    async with client.subscribe("conversations.streamMessage", input, last_event_id=after) as events:
        return [event.data async for event in events]


async def call(client: Client, path: str, input: Any, *, after: str | None = None) -> Any:
    if path.split(".")[1] in {"streamMessage", "regenerate", "watch"}:
        fields = {**input}
        after = fields.pop("after", after)
        async with client.subscribe(path, fields, last_event_id=after) as events:
            return [event.data async for event in events]
    if path.split(".")[1] in {"create", "rename", "delete", "stop"}:
        return await client.mutate(path, input)
    return await client.query(path, input)


async def refusal(client: Client, path: str, input: Any, *, after: str | None = None) -> CallError:
    with pytest.raises(CallError) as caught:
        async with asyncio.timeout(WAIT_SECONDS):
            await call(client, path, input, after=after)
    return caught.value
