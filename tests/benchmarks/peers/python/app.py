"""The usual hand-written server: FastAPI, AsyncOpenAI and `send_text`; nothing durable.

Of tRPC's wire it speaks what the load needs.
"""

import asyncio
import itertools
import json
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from openai import AsyncOpenAI

app = FastAPI()
client = AsyncOpenAI(api_key="none")
watchers: defaultdict[str, set[asyncio.Queue[tuple[str, Any]]]] = defaultdict(set)

Tracked = tuple[str, Any]


@app.websocket("/api/trpc")
async def endpoint(socket: WebSocket) -> None:
    """Answer the calls of one connection, each in a task."""
    await socket.accept()
    tasks: set[asyncio.Task[None]] = set()
    try:
        while True:
            call = await socket.receive_json()
            task = asyncio.create_task(answer(socket, call))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    except WebSocketDisconnect:
        pass
    finally:
        for task in tasks:
            task.cancel()


async def answer(socket: WebSocket, call: dict[str, Any]) -> None:
    """Answer one call."""

    async def send(result: dict[str, Any]) -> None:
        await socket.send_text(json.dumps({"id": call["id"], "result": result}, separators=(",", ":")))

    input = call["params"].get("input", {})
    try:
        match call["params"]["path"]:
            case "conversations.create":
                await send({"type": "data", "data": {"id": str(uuid.uuid4())}})
            case "double":
                await send({"type": "data", "data": input["number"] * 2})
            case path:
                await send({"type": "started"})
                match path:
                    case "count":
                        for number in itertools.count():
                            await send({"type": "data", "data": number})
                            if number % 100 == 0:
                                # Or it would never learn that the client has gone.
                                await asyncio.sleep(0)
                    case "conversations.watch":
                        async for id, event in watch(input["conversationId"]):
                            await send({"type": "data", "data": {"id": id, "data": event}, "id": id})
                    case "conversations.streamMessage":
                        async for id, event in stream_message(input["conversationId"], input["message"]):
                            await send({"type": "data", "data": {"id": id, "data": event}, "id": id})
                    case _:
                        pass
                await send({"type": "stopped"})
    except (WebSocketDisconnect, RuntimeError):
        pass  # The client has gone; Starlette raises either.


async def stream_message(conversation_id: str, message: str) -> AsyncIterator[Tracked]:
    """Relay an answer, to its asker and to all who watch the conversation."""
    epoch = uuid.uuid4()
    numbers = itertools.count(1)

    def tracked(event: dict[str, Any]) -> Tracked:
        item = (f"{epoch}.{next(numbers)}", event)
        for queue in watchers.get(conversation_id, ()):
            queue.put_nowait(item)
        return item

    completion = await client.chat.completions.create(
        model="benchmark", stream=True, messages=[{"role": "user", "content": message}]
    )
    async with completion:
        async for chunk in completion:
            if chunk.choices and (content := chunk.choices[0].delta.content):
                yield tracked({"type": "text_delta", "content": content})
    yield tracked({"type": "complete", "status": "ok"})


async def watch(conversation_id: str) -> AsyncIterator[Tracked]:
    """Give every event of a conversation from now on."""
    queue: asyncio.Queue[Tracked] = asyncio.Queue()
    watchers[conversation_id].add(queue)
    try:
        while True:
            yield await queue.get()
    finally:
        watchers[conversation_id].discard(queue)
