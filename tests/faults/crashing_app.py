"""A chat server with a tool that leaves a trace, and with points at which its process ends at once.

A message that holds `crash at POINT` has its turn crash there, once for each message: what has crashed is
noted in the folder TRACES. AT_START names a point that crashes the start itself, in the repair of turns.

Each tool call leaves a line with its id in TRACES/tools when it begins, and in TRACES/done when it ends.
"""

import asyncio
import functools
import os
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from tests.faults.deployment import CRASHED
from tidewire.chat import BUILTIN_TOOLS, ToolContext, create_chat_app, tool
from tidewire.chat.log import Written
from tidewire.chat.models import Message
from tidewire.chat.store import Events, Messages, ToolRuns

TRACES: Final = Path(os.environ["TRACES"])
AT_START: Final = os.environ.get("AT_START", "")

_points: Final[dict[str, str]] = {}
"""Of turns that are to crash."""


def crash_at(turn_id: str, point: str) -> None:
    """End the process here, if this turn was to crash here and has not."""
    if point == AT_START and turn_id not in _points:
        os._exit(CRASHED)
    if _points.get(turn_id) == point:
        with suppress(FileExistsError):
            (TRACES / f"crashed {point}").touch(exist_ok=False)
            os._exit(CRASHED)


def crashing(method: Callable[..., Awaitable[Any]], points: Callable[..., tuple[str, list[str]]]) -> Any:
    """The same method, with a point before and one after it for each of its names."""

    @functools.wraps(method)
    async def run(self: Any, *arguments: Any, **options: Any) -> Any:
        turn_id, names = points(*arguments)
        for name in names:
            crash_at(turn_id, f"before {name}")
        result = await method(self, *arguments, **options)
        for name in names:
            crash_at(turn_id, f"after {name}")
        return result

    return run


def of_begin(owner: str, user: Message, answer: Message, title: str) -> tuple[str, list[str]]:
    """When a turn begins it says where it will end."""
    if found := re.search(r"crash at (.*)", user.content):
        _points[answer.turn_id] = found[1]
    return answer.turn_id, ["begin"]


def of_write(entries: Sequence[Written]) -> tuple[str, list[str]]:
    """The kinds of events that are written; one turn at a time crashes here."""
    turn_id = next((each.turn_id for each in entries if each.turn_id in _points), entries[0].turn_id)
    return turn_id, [f"write {entry.type}" for entry in entries if entry.turn_id == turn_id] + ["write"]


Messages.begin_turn = crashing(Messages.begin_turn, of_begin)  # type: ignore[method-assign]  # the fault
Messages.save = crashing(Messages.save, lambda message: (message.turn_id, ["save"]))  # type: ignore[method-assign]  # the fault
Events.write = crashing(Events.write, of_write)  # type: ignore[method-assign]  # the fault
ToolRuns.start = crashing(  # type: ignore[method-assign]  # the fault
    ToolRuns.start, lambda conversation_id, turn_id, calls: (turn_id, ["ledger"])
)


def note(file: str, call_id: str) -> None:
    """Leave a trace that outlives the process."""
    with (TRACES / file).open("a") as lines:
        lines.write(f"{call_id}\n")


@tool
async def leave_trace(ctx: ToolContext, seconds: float) -> str:
    """Do something that must not be done twice."""
    note("tools", ctx.tool_call_id)
    for turn_id in list(_points):
        crash_at(turn_id, "tool")
    await asyncio.sleep(seconds)
    note("done", ctx.tool_call_id)
    return f"{ctx.tool_call_id} is done"


app = create_chat_app(tools=[*BUILTIN_TOOLS, leave_trace])
