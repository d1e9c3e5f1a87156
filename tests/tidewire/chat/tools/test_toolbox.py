"""Running tools: results, errors, time-outs, cancellation."""

import asyncio
import logging
import sys
import threading
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import pytest

from tidewire.chat.providers.base import ToolRequest
from tidewire.chat.tools import (
    BUILTIN_TOOLS,
    Tool,
    Toolbox,
    ToolContext,
    ToolDefinitionError,
    ToolError,
    ToolResult,
    result_text,
    tool,
)

CONTEXT = ToolContext(conversation_id="c1", owner="local", tool_call_id="t1")


class Point(msgspec.Struct, frozen=True):
    x: int


@tool
async def add(left: int, right: int = 1) -> int:
    """Add two numbers."""
    return left + right


@tool
def shout(text: str) -> str:
    """Say it louder."""
    return text.upper()


@tool
def draw(points: list[Point], scale: Annotated[int, msgspec.Meta(ge=1)] = 1) -> int:
    """Draw points."""
    return len(points) * scale


@tool
def count(votes: dict[int, int]) -> int:
    """Count votes by party."""
    return sum(votes.values())


TOOLBOX = Toolbox([add, shout, draw, count])


async def run(
    name: str, arguments: str = "", toolbox: Toolbox = TOOLBOX, offered: list[str] | None = None
) -> ToolResult:
    return await toolbox.run(ToolRequest("t1", name, arguments), CONTEXT, offered=offered)


def raising(error: BaseException) -> list[Tool[..., Any]]:
    @tool(name="async")
    async def raise_async() -> None:
        """Fail."""
        raise error

    @tool(name="sync")
    def raise_sync() -> None:
        """Fail."""
        raise error

    return [raise_async, raise_sync]


def returning(value: Any) -> Toolbox:
    @tool(name="give")
    async def give() -> Any:
        """Give a value."""
        return value

    return Toolbox([give], max_result_bytes=100)


@pytest.mark.parametrize(
    ("name", "arguments", "args", "result"),
    [
        ("add", '{"left": 2, "right": 3}', {"left": 2, "right": 3}, 5),
        ("add", '{"left": 2}', {"left": 2}, 3),
        ("shout", '{"text": "hey"}', {"text": "hey"}, "HEY"),
        ("draw", '{"points": [{"x": 1}, {"x": 2}]}', {"points": [{"x": 1}, {"x": 2}]}, 2),
        ("count", '{"votes": {"1": 4, "2": 5}}', {"votes": {"1": 4, "2": 5}}, 9),
    ],
)
async def test_a_tool_answers(name: str, arguments: str, args: Any, result: Any) -> None:
    outcome = await run(name, arguments)

    assert (outcome.args, outcome.result, outcome.is_error) == (args, result, False)
    assert outcome.duration_ms >= 0


@pytest.mark.parametrize("arguments", ["", " \n", "{}"])
async def test_no_arguments_are_an_empty_object(arguments: str) -> None:
    outcome = await run("give", arguments, returning("here"))

    assert outcome.args == {}
    assert outcome.result == "here"


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("fly", "{}", "There is no tool `fly`. The tools are: `add`, `shout`, `draw`, `count`."),
        ("add", "{}", "Argument `left` is missing."),
        ("add", '{"left": "2"}', "Argument `left`: expected `int`, got `str`."),
        (
            "add",
            '{"left": 2, "middle": 3}',
            "Object contains unknown field `middle`. The arguments are: `left`, `right`.",
        ),
        ("add", "[2]", "The arguments must be a JSON object, not `array`."),
        ("add", "null", "The arguments must be a JSON object, not `null`."),
        ("add", '"2"', "The arguments must be a JSON object, not `str`."),
        ("draw", '{"points": [{"x": 1}, {"x": "2"}]}', "Argument `points[1].x`: expected `int`, got `str`."),
        ("draw", '{"points": [{}]}', "Argument `points[0]`: object missing required field `x`."),
        (
            "count",
            '{"votes": {"a": 1}}',
            "Expected `int`, got `str` - at `key` in `$.votes`. The arguments are: `votes`.",
        ),
        ("draw", '{"points": [], "scale": 0}', "Argument `scale`: expected `int` >= 1."),
    ],
)
async def test_a_call_that_does_not_fit_is_explained_to_the_model(
    name: str, arguments: str, text: str
) -> None:
    outcome = await run(name, arguments)

    assert outcome.is_error
    assert outcome.result == text
    assert outcome.args == msgspec.json.decode(arguments)


@pytest.mark.parametrize("text", ['{"left": 2', "left=2", "{'left': 2}", "NaN", "[" * 100_000])
async def test_arguments_that_are_not_json_are_kept_as_text(text: str) -> None:
    outcome = await run("add", text)

    assert outcome.is_error
    assert outcome.args == text
    assert outcome.result.startswith("The arguments are not valid JSON: ")


async def test_a_lone_surrogate_does_not_get_into_what_is_sent() -> None:
    outcome = await run("give\ud800", '{"a": "\ud800"}')

    assert outcome.is_error
    assert msgspec.json.encode(outcome)


async def test_a_tool_that_was_not_offered_does_not_exist_for_the_model() -> None:
    outcome = await run("shout", '{"text": "hey"}', offered=["add", "gone"])

    assert outcome.is_error
    assert outcome.result == "There is no tool `shout`. The tools are: `add`."


async def test_with_no_tool_offered_none_are_listed() -> None:
    assert (await run("add", "{}", offered=[])).result == "There is no tool `add`. The tools are: none."


@pytest.mark.parametrize("name", ["async", "sync"])
async def test_a_deliberate_error_reaches_the_model_in_its_own_words(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    outcome = await run(name, toolbox=Toolbox(raising(ToolError("No such city."))))

    assert (outcome.is_error, outcome.result) == (True, "No such city.")
    assert caplog.records == []


@pytest.mark.parametrize("name", ["async", "sync"])
@pytest.mark.parametrize(
    "error",
    [
        ValueError("secret"),
        StopIteration("secret"),
        SystemExit("secret"),
        asyncio.CancelledError("secret"),
        msgspec.ValidationError("secret"),
        TimeoutError("secret"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_any_other_error_is_logged_and_its_text_kept_from_the_model(
    name: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    outcome = await run(name, toolbox=Toolbox(raising(error), default_timeout=30.0))

    assert (outcome.is_error, outcome.result) == (True, "The tool failed.")
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("tidewire.chat.tools", logging.ERROR)
    assert record.exc_info
    assert "c1" in record.getMessage()


async def test_an_error_without_words_still_tells_the_model_something() -> None:
    assert (await run("async", toolbox=Toolbox(raising(ToolError())))).result == "The tool failed."


async def test_an_endless_error_text_is_cut() -> None:
    outcome = await run("async", toolbox=Toolbox(raising(ToolError("x" * 100_000))))

    assert len(outcome.result) == 4_000


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (None, None),
        ((1, 2), [1, 2]),
        ({1: "a"}, {"1": "a"}),
        (Point(3), {"x": 3}),
        (float("nan"), None),
        (b"hi", "aGk="),
        (2**70, 2**70),
    ],
    ids=repr,
)
async def test_a_result_is_what_json_makes_of_it(value: Any, result: Any) -> None:
    outcome = await run("give", toolbox=returning(value))

    assert (outcome.result, outcome.is_error) == (result, False)


def endless() -> list[Any]:
    nest: list[Any] = []
    nest.append(nest)
    return nest


@pytest.mark.parametrize(
    "value",
    [object(), 1j, "\ud800", {(1, 2): 3}, endless(), 10**5000],
    ids=lambda value: type(value).__name__,
)
async def test_a_result_that_json_cannot_say_is_an_error(
    value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    outcome = await run("give", toolbox=returning(value))

    assert (outcome.is_error, outcome.result) == (True, "The tool's result cannot be written as JSON.")
    assert [record.name for record in caplog.records] == ["tidewire.chat.tools"]


async def test_a_result_is_bounded_in_bytes() -> None:
    largest = await run("give", toolbox=returning("x" * 98))
    larger = await run("give", toolbox=returning("x" * 99))

    assert largest.result == "x" * 98
    assert larger.is_error
    assert larger.result == "The tool's result is larger than 100 bytes; ask for less."


@pytest.mark.parametrize(
    ("result", "text"),
    [("as it is", "as it is"), (3, "3"), (None, "null"), ({"a": [1, "ü"]}, '{"a":[1,"ü"]}')],
)
def test_the_model_reads_text_as_it_is_and_the_rest_as_compact_json(result: Any, text: str) -> None:
    assert result_text(result) == text


@pytest.mark.parametrize("name", ["async", "sync"])
async def test_a_tool_gets_the_context_of_its_call(name: str) -> None:
    @tool(name="async")
    async def whose_async(ctx: ToolContext, city: str) -> list[str]:
        """Tell whose it is."""
        return [ctx.conversation_id, ctx.owner, ctx.tool_call_id, city]

    @tool(name="sync")
    def whose_sync(ctx: ToolContext, city: str) -> list[str]:
        """Tell whose it is."""
        return [ctx.conversation_id, ctx.owner, ctx.tool_call_id, city]

    outcome = await run(name, '{"city": "Bonn"}', Toolbox([whose_async, whose_sync]))

    assert outcome.result == ["c1", "local", "t1", "Bonn"]


async def test_a_model_cannot_fill_in_the_context() -> None:
    @tool
    async def whose(ctx: ToolContext) -> str:
        """Tell whose it is."""
        return ctx.owner

    outcome = await run("whose", '{"ctx": {"owner": "me"}}', Toolbox([whose]))

    assert outcome.result == "Object contains unknown field `ctx`. The arguments are: none."


@pytest.fixture
def never() -> Any:
    """An event that only the end of the test sets, so that no thread stays behind."""
    event = threading.Event()
    yield event
    event.set()


def stuck_tools(never: threading.Event, begun: Callable[[], object], **options: Any) -> list[Tool[..., Any]]:
    @tool(name="async", **options)
    async def wait_async() -> None:
        """Wait."""
        begun()
        await asyncio.Event().wait()

    @tool(name="sync", **options)
    def wait_sync() -> None:
        """Wait."""
        begun()
        never.wait()

    return [wait_async, wait_sync]


@pytest.mark.parametrize("name", ["async", "sync"])
async def test_a_tool_that_does_not_answer_in_time_is_an_error(
    name: str, never: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    toolbox = Toolbox(stuck_tools(never, lambda: None), default_timeout=0.01)

    outcome = await run(name, toolbox=toolbox)

    assert outcome.is_error
    assert outcome.result == "The tool did not answer within 0.01 seconds."
    assert outcome.duration_ms >= 10
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize("name", ["async", "sync"])
async def test_a_tools_own_timeout_goes_before_the_toolboxs(name: str, never: threading.Event) -> None:
    toolbox = Toolbox(stuck_tools(never, lambda: None, timeout=0.02), default_timeout=3600.0)

    assert (await run(name, toolbox=toolbox)).result == "The tool did not answer within 0.02 seconds."


@pytest.mark.parametrize("name", ["async", "sync"])
async def test_cancelling_a_running_tool_ends_the_call_at_once(name: str, never: threading.Event) -> None:
    loop, begun = asyncio.get_running_loop(), asyncio.Event()
    toolbox = Toolbox(stuck_tools(never, lambda: loop.call_soon_threadsafe(begun.set)))
    call = asyncio.create_task(run(name, toolbox=toolbox))
    await begun.wait()

    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_cancelled_async_tool_cleans_up() -> None:
    begun, cleaned = asyncio.Event(), asyncio.Event()

    @tool
    async def tidy() -> None:
        """Wait, then clean up."""
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    call = asyncio.create_task(run("tidy", toolbox=Toolbox([tidy])))
    await begun.wait()
    call.cancel()

    await cleaned.wait()
    assert (await asyncio.gather(call, return_exceptions=True))[0].__class__ is asyncio.CancelledError


def stubborn_tool(begun: asyncio.Event, release: asyncio.Event, failed: asyncio.Event) -> Tool[..., Any]:
    @tool
    async def stubborn() -> None:
        """Refuse to be cancelled."""
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await release.wait()
            failed.set()
            raise ValueError("too late") from None

    return stubborn


async def test_a_tool_that_shields_itself_from_cancellation_delays_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun, release, failed = asyncio.Event(), asyncio.Event(), asyncio.Event()
    toolbox = Toolbox([stubborn_tool(begun, release, failed)])
    call = asyncio.create_task(run("stubborn", toolbox=toolbox))
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not failed.is_set()

    release.set()
    (left,) = [task for task in asyncio.all_tasks() if task.get_name() == "tool stubborn"]
    await asyncio.wait([left])

    assert [record.getMessage() for record in caplog.records] == ["An abandoned tool stubborn failed."]


async def test_async_tools_run_concurrently() -> None:
    barrier = asyncio.Barrier(3)

    @tool
    async def meet(guest: int) -> int:
        """Wait for the others."""
        await barrier.wait()
        return guest

    toolbox = Toolbox([meet])
    outcomes = await asyncio.gather(*(run("meet", f'{{"guest": {guest}}}', toolbox) for guest in range(3)))

    assert [outcome.result for outcome in outcomes] == [0, 1, 2]


async def test_sync_tools_run_concurrently() -> None:
    barrier = threading.Barrier(3, timeout=20)

    @tool
    def meet(guest: int) -> int:
        """Wait for the others."""
        barrier.wait()
        return guest

    toolbox = Toolbox([meet])
    outcomes = await asyncio.gather(*(run("meet", f'{{"guest": {guest}}}', toolbox) for guest in range(3)))

    assert [outcome.result for outcome in outcomes] == [0, 1, 2]


STUCK_AT_EXIT = """
import asyncio, threading
from tidewire.chat.tools.threads import ToolThreads

async def main():
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    def stuck():
        loop.call_soon_threadsafe(begun.set)
        threading.Event().wait()
    call = asyncio.create_task(ToolThreads().run(stuck))
    await begun.wait()
    call.cancel()

asyncio.run(main())
"""


async def test_a_stuck_sync_tool_does_not_keep_the_process_from_ending() -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", STUCK_AT_EXIT)
    try:
        assert await asyncio.wait_for(process.wait(), timeout=30) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def test_specs_are_in_the_order_asked_for_and_each_once() -> None:
    assert [spec.name for spec in TOOLBOX.specs()] == ["add", "shout", "draw", "count"]
    assert [spec.name for spec in TOOLBOX.specs(["draw", "add", "draw"])] == ["draw", "add"]
    assert TOOLBOX.specs([]) == []
    assert TOOLBOX.specs(["add"])[0].parameters == add.parameters


def test_a_spec_of_an_unknown_tool_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="fly"):
        TOOLBOX.specs(["fly"])


def test_a_toolbox_knows_its_names() -> None:
    assert TOOLBOX.names == ("add", "shout", "draw", "count")
    assert "add" in TOOLBOX
    assert "fly" not in TOOLBOX


def test_a_function_that_is_no_tool_is_refused() -> None:
    def plain(text: str) -> str:
        return text

    with pytest.raises(ToolDefinitionError, match=r"plain.* is not a tool: decorate a function with @tool"):
        Toolbox([plain])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]  # the slip


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ToolDefinitionError, match="Two tools are named 'add'"):
        Toolbox([add, shout, add])


async def test_the_builtin_tools_run_in_a_toolbox() -> None:
    toolbox = Toolbox(BUILTIN_TOOLS)

    assert toolbox.names == ("current_time", "calculate")
    assert (await run("calculate", '{"expression": "(2 + 3) * 4"}', toolbox)).result == 20
    assert (await run("calculate", '{"expression": "1/0"}', toolbox)).result == "That divides by zero."
    assert not (await run("current_time", "", toolbox)).is_error
