"""Wall clocks jump; what comes before what, and how long it is kept, does not depend on them."""

import asyncio
import json
from pathlib import Path
from typing import Any, Final

from tests.conformance.chat import RawSocket, types_of
from tests.conformance.client import WAIT_SECONDS
from tests.faults.deployment import Deployment
from tests.faults.records import Records, began
from tests.upstream import text_answer

APP: Final = "tests.faults.clock_app:app"
DAY: Final = 86_400
JUMPS: Final = (DAY, -DAY, -3650 * DAY, 0)
TEXT: Final = "one two three four five six"


async def every_page(socket: RawSocket, path: str, input: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """All pages of a list, the newest first."""
    pages: list[list[dict[str, Any]]] = []
    cursor: dict[str, Any] = {}
    while True:
        data = (await socket.ask("query", path, {**input, **cursor}))["result"]["data"]
        pages.append(data.get("messages") or data.get("items"))
        if "nextCursor" not in data:
            return pages
        cursor = {"cursor": data["nextCursor"]}


async def test_order_pages_and_resumption_do_not_depend_on_the_wall_clock(
    launcher: Path, tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("0")
    async with Deployment(launcher, tmp_path, APP, CLOCK=str(clock)) as deployment:
        await deployment.start()
        async with RawSocket(deployment.url) as socket:
            conversation = await socket.new_conversation()
            for number, jump in enumerate(JUMPS):
                # Within a turn: the reader leaves before the jump and comes back after it.
                message = f"message {number}"
                gate = asyncio.Event()
                deployment.playbook.script(message, text_answer(TEXT).hold(4, gate))
                input = {"conversationId": conversation, "message": message, "clientMessageId": message}
                path = "conversations.streamMessage"
                call = await socket.call("subscription", path, input)
                seen: list[Any] = []
                async for event in socket.events(call):
                    seen.append(event)
                    if types_of(each["data"] for each in seen).count("text_delta") == 3:
                        break
                await socket.send(json.dumps({"id": call, "method": "subscription.stop"}))
                clock.write_text(str(jump))
                gate.set()
                again = await socket.call("subscription", path, input, last_event_id=seen[-1]["id"])
                seen += [event async for event in socket.events(again)]
                records = Records.read(deployment.database)
                records.check_seen_whole(seen)
                assert records.answer(message)["status"] == "ok"
                # Between turns.
                await socket.new_conversation()
            records = Records.read(deployment.database)
            # Nothing was forgotten, though ten years went by.
            records.check()
            times = [began(message) for message in records.messages]
            assert times != sorted(times), "the clock has not jumped"
            pages = await every_page(
                socket, "conversations.get", {"conversationId": conversation, "limit": 3}
            )
            said = [each["content"] for page in reversed(pages) for each in page]
            assert said == [text for number in range(len(JUMPS)) for text in (f"message {number}", TEXT)]
            lists = await every_page(socket, "conversations.list", {"limit": 2})
            found = [each["id"] for page in lists for each in page]
            assert len(found) == len(set(found)) == len(JUMPS) + 1


async def test_the_log_keeps_for_as_long_as_it_should_whatever_the_wall_clock_says(
    launcher: Path, tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("0")
    retention = {"TIDEWIRE_LOG_RETENTION": "0"}
    async with Deployment(launcher, tmp_path, APP, CLOCK=str(clock), **retention) as deployment:
        await deployment.start()
        async with RawSocket(deployment.url) as socket:
            conversation = await socket.new_conversation()
            # Back by ten years: a log that went by the wall clock would keep it for as long.
            clock.write_text(str(-3650 * DAY))
            input = {"conversationId": conversation, "message": "hello", "clientMessageId": "hello"}
            path = "conversations.streamMessage"
            call = await socket.call("subscription", path, input)
            seen = [event async for event in socket.events(call)]
            async with asyncio.timeout(WAIT_SECONDS):
                # Only the file tells.
                while True:
                    if not Records.read(deployment.database).events:
                        break
                    await asyncio.sleep(0.05)
            # Who comes back now gets the answer as a whole.
            again = await socket.call("subscription", path, input, last_event_id=seen[1]["id"])
            events = [event["data"] async for event in socket.events(again)]
            assert types_of(events) == ["snapshot", "complete"]
            assert events[0]["message"]["content"] == "You said hello"
