"""A function that a model may call."""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, ParamSpec, TypeVar, overload

from ..providers.base import ToolSpec
from .arguments import NAME, Arguments
from .context import ToolContext
from .errors import ToolDefinitionError
from .threads import ToolThreads

P = ParamSpec("P")
R = TypeVar("R")

_threads: Final = ToolThreads()


@dataclass(frozen=True, eq=False)
class Tool(Generic[P, R]):
    """A typed function with what a model must know to call it; calling the tool calls the function."""

    name: str
    description: str
    timeout: float | None
    """Seconds; None leaves it to the toolbox."""
    function: Callable[P, R]
    arguments: Arguments

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the plain function."""
        return self.function(*args, **kwargs)

    @property
    def parameters(self) -> dict[str, Any]:
        """JSON schema of the arguments object."""
        return self.arguments.schema

    @property
    def spec(self) -> ToolSpec:
        """The tool as a provider describes it to the model."""
        return ToolSpec(self.name, self.description, self.parameters)

    async def call(self, arguments: Any, context: ToolContext) -> Any:
        """Answer a model's call with what the function returns.

        A synchronous function runs in a thread. Threads cannot be killed: when the call is
        cancelled the wait ends at once, the function goes on, and its result is dropped.

        Raises:
            ToolError: `arguments` (parsed JSON) do not fit, or the function says so.
            Exception: whatever else the function raises.
        """
        function = self._bound(arguments, context)
        try:
            if inspect.iscoroutinefunction(self.function):
                return await function()
            return await _threads.run(function)
        except SystemExit as error:
            # In a task it would take the whole event loop down.
            raise RuntimeError(f"Tool {self.name} tried to exit the process.") from error

    def _bound(self, arguments: Any, context: ToolContext) -> Callable[[], Any]:
        first = (context,) if self.arguments.takes_context else ()
        return partial(self.function, *first, **self.arguments.read(arguments))


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...


@overload
def tool(
    *, name: str | None = None, description: str | None = None, timeout: float | None = None
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...


def tool(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
) -> Tool[P, R] | Callable[[Callable[P, R]], Tool[P, R]]:
    """Make a tool of a typed function, asynchronous or not.

    The name is the function's unless given, the description the first paragraph of its
    docstring. Parameters are arguments of the same name, described by
    `Annotated[..., msgspec.Meta(description=...)]`; a first parameter `ctx: ToolContext`
    is filled in by the server. `timeout` is in seconds.

    Raises:
        ToolDefinitionError: the function cannot be a tool; says which parameter and why.
    """

    def decorate(function: Callable[P, R]) -> Tool[P, R]:
        _check_function(function)
        return Tool(
            name=_checked_name(function, function.__name__ if name is None else name),
            description=_checked_description(function, description),
            timeout=_checked_timeout(function, timeout),
            function=function,
            arguments=Arguments.of(function),
        )

    return decorate if function is None else decorate(function)


def _check_function(function: Callable[..., Any]) -> None:
    if not inspect.isfunction(function):
        raise ToolDefinitionError(f"A tool is made of a function, not of {function!r}.")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ToolDefinitionError(
            f"Tool {function.__qualname__}: a tool returns one result; it cannot be a generator."
        )


def _checked_name(function: Callable[..., Any], name: str) -> str:
    if not NAME.fullmatch(name):
        raise ToolDefinitionError(
            f"Tool {function.__qualname__}: the name {name!r} must be 1 to 64 of a-z, A-Z, 0-9, _ and -."
        )
    return name


def _checked_description(function: Callable[..., Any], description: str | None) -> str:
    text = (inspect.getdoc(function) or "") if description is None else description
    first_paragraph = " ".join(text.strip().split("\n\n")[0].split())
    if not first_paragraph:
        raise ToolDefinitionError(
            f"Tool {function.__qualname__}: the model needs a description; write a docstring."
        )
    return first_paragraph


def _checked_timeout(function: Callable[..., Any], seconds: float | None) -> float | None:
    if seconds is not None and not (seconds > 0 and math.isfinite(seconds)):
        raise ToolDefinitionError(
            f"Tool {function.__qualname__}: the timeout must be seconds above zero, not {seconds}."
        )
    return seconds
