"""The tools of a server, and the boundary at which they run."""

import asyncio
import logging
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec

from ..providers.base import ToolRequest, ToolSpec
from ..sendable import sendable
from ..unicode import repaired
from .context import ToolContext
from .errors import ToolDefinitionError, ToolError
from .tool import Tool

logger: Final = logging.getLogger("tidewire.chat.tools")

DEFAULT_TIMEOUT: Final = 30.0  # seconds
MAX_RESULT_BYTES: Final = 256 * 1024
MAX_ERROR_CHARACTERS: Final = 4_000
_FAILED: Final = "The tool failed."


class ToolResult(msgspec.Struct, frozen=True):
    """What came of one tool call."""

    args: Any
    """The arguments as JSON, or as text where that was not JSON, or is not sendable."""
    result: Any
    """What JSON can say: the tool's answer (as text if not sendable), or, if `is_error`, a sentence."""
    is_error: bool
    duration_ms: int


class Toolbox:
    """Tools by name.

    Raises:
        ToolDefinitionError: two tools have the same name, or one is none.
    """

    def __init__(
        self,
        tools: Iterable[Tool[..., Any]],
        default_timeout: float = DEFAULT_TIMEOUT,
        *,
        max_result_bytes: int = MAX_RESULT_BYTES,
    ) -> None:
        self._tools: dict[str, Tool[..., Any]] = {}
        for tool in tools:
            # Whoever runs no type checker would be told that a function has no name.
            if not isinstance(tool, Tool):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ToolDefinitionError(f"{tool!r} is not a tool: decorate a function with @tool.")
            if tool.name in self._tools:
                raise ToolDefinitionError(f"Two tools are named {tool.name!r}.")
            self._tools[tool.name] = tool
        self._default_timeout = default_timeout
        self._max_result_bytes = max_result_bytes
        self._abandoned: set[asyncio.Task[Any]] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """In the order in which the tools were given."""
        return tuple(self._tools)

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def specs(self, names: Sequence[str] | None = None) -> list[ToolSpec]:
        """What to offer a model: the tools `names`, each once, or all.

        Raises:
            KeyError: there is no such tool.
        """
        chosen = self._tools if names is None else dict.fromkeys(names)
        return [self._tools[name].spec for name in chosen]

    async def run(
        self, request: ToolRequest, context: ToolContext, *, offered: Collection[str] | None = None
    ) -> ToolResult:
        """Run one tool call; whatever goes wrong is a result for the model, never an exception.

        `offered` limits the call to the tools the model was told of; None allows all. Cancelling
        ends the wait at once: an asynchronous tool is cancelled and left to its own clean-up, a
        synchronous one runs on and its result is dropped.
        """
        started = time.perf_counter()
        args, problem = _read_json(request.arguments)
        result, is_error = await self._outcome(request.name, args, problem, context, offered)
        duration = int((time.perf_counter() - started) * 1000)
        return ToolResult(sendable(args), sendable(result), is_error, duration)

    async def _outcome(
        self, name: str, args: Any, problem: str | None, context: ToolContext, offered: Collection[str] | None
    ) -> tuple[Any, bool]:
        try:
            tool = self._find(name, offered)
            if problem is not None:
                raise ToolError(problem)
            return self._as_json(name, await self._answer(tool, args, context)), False
        except ToolError as error:
            return _sayable(str(error)) or _FAILED, True
        except Exception:
            logger.exception("Tool %s failed in conversation %s.", name, context.conversation_id)
            return _FAILED, True

    def _find(self, name: str, offered: Collection[str] | None) -> Tool[..., Any]:
        known = [each for each in self._tools if offered is None or each in offered]
        if name not in known:
            listed = ", ".join(f"`{each}`" for each in known) or "none"
            raise ToolError(f"There is no tool `{name[:64]}`. The tools are: {listed}.")
        return self._tools[name]

    async def _answer(self, tool: Tool[..., Any], args: Any, context: ToolContext) -> Any:
        # A task of its own, so that a tool that shields itself from cancellation, or that
        # raises CancelledError for reasons of its own, neither delays nor ends the turn.
        task = asyncio.create_task(tool.call(args, context), name=f"tool {tool.name}")
        seconds = tool.timeout or self._default_timeout
        try:
            await asyncio.wait([task], timeout=seconds)
        finally:
            if not task.done():
                self._abandon(task)
        if task in self._abandoned:
            logger.warning("Tool %s did not answer within %g seconds.", tool.name, seconds)
            raise ToolError(f"The tool did not answer within {seconds:g} seconds.")
        if task.cancelled():
            raise RuntimeError("The tool was cancelled by itself.")
        return task.result()

    def _abandon(self, task: asyncio.Task[Any]) -> None:
        # The event loop holds tasks weakly; unheld, one could vanish in the middle of its clean-up.
        self._abandoned.add(task)
        task.add_done_callback(self._bury)
        task.cancel()

    def _bury(self, task: asyncio.Task[Any]) -> None:
        self._abandoned.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("An abandoned %s failed.", task.get_name(), exc_info=error)

    def _as_json(self, name: str, result: Any) -> Any:
        """`result` as it will read after a trip through JSON, so that the event about it can be sent."""
        try:
            encoded = msgspec.json.encode(result)
            if len(encoded) <= self._max_result_bytes:
                return msgspec.json.decode(encoded)
        except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
            logger.exception("Tool %s returned what JSON cannot say.", name)
            raise ToolError("The tool's result cannot be written as JSON.") from error
        raise ToolError(f"The tool's result is larger than {self._max_result_bytes} bytes; ask for less.")


def result_text(result: Any) -> str:
    """What goes back to the model: a text as it is, anything else as compact JSON."""
    return result if isinstance(result, str) else msgspec.json.encode(result).decode()


def _read_json(text: str) -> tuple[Any, str | None]:
    """The parsed arguments, or the text itself and what is wrong with it."""
    if not text.strip():
        return {}, None
    try:
        return msgspec.json.decode(text), None
    except (ValueError, RecursionError) as error:
        return repaired(text), f"The arguments are not valid JSON: {error}."


def _sayable(text: str) -> str:
    return repaired(text)[:MAX_ERROR_CHARACTERS]
