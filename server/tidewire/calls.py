"""Runs one call of a procedure, whatever transport it came by."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from functools import lru_cache
from typing import Any, Final

from .errors import RPCError
from .feeds import Feed
from .middleware import CallInfo, run_chain
from .procedure import Procedure


async def answer(procedure: Procedure, call: CallInfo) -> Any:
    """Run a query or mutation, and give its result, checked against the declared type.

    A result that streams is given as a stream: whether that can be sent is the transport's to know.

    Raises:
        RPCError: what the procedure raised, a refused input or output, or TIMEOUT.
        Exception: whatever else the procedure raised.
    """
    result = await _within(procedure.timeout, run_chain(procedure.middleware, call, _handler(procedure)))
    if is_stream(result):
        return _checked(Stream(procedure, result, [result])) if procedure.output.streams else result
    return procedure.output.check(result)


class Stream:
    """A subscription's events, to be checked against the declared type; close it in any case.

    Closing it closes the procedure's, also inside middleware that wrapped it.
    """

    def __init__(self, procedure: Procedure, events: Any, opened: list[Any]) -> None:
        iterator: AsyncIterator[Any] = aiter(events)
        self._opened = [*(inner for inner in opened if inner is not iterator), iterator]
        self.unchecked: AsyncIterator[Any] = iterator
        """The events as they come, to be put through `check` one by one: that saves a generator."""
        if procedure.timeout is not None:
            self.unchecked = _paced(iterator, procedure.timeout)
            self._opened.append(self.unchecked)
        self.feed: Feed[Any] | None = (
            events if isinstance(events, Feed) and procedure.timeout is None else None
        )
        """The same events, unchecked, if they can be followed too."""
        self.check: Callable[[Any], Any] = procedure.output.check
        """Gives an event as its declared type, or raises an `RPCError`."""

    async def aclose(self) -> None:
        """End."""
        await _close_all(self._opened)


async def stream(procedure: Procedure, call: CallInfo) -> Stream:
    """Set a subscription up, and give its stream of events.

    Raises:
        RPCError, Exception: as `answer`; so does the stream.
    """
    opened: list[Any] = []
    handler = _handler(procedure, opened.append)
    events = await _within(procedure.timeout, run_chain(procedure.middleware, call, handler))
    if not is_stream(events):
        message = f"Subscription {call.path} did not return an observable or a AsyncGenerator"
        raise RPCError("INTERNAL_SERVER_ERROR", message)
    return Stream(procedure, events, opened)


def is_stream(result: object) -> bool:
    """Whether a result is to be iterated rather than sent."""
    return hasattr(result, "__aiter__")


_AT_HAND: Final = frozenset({type(None), bool, int, float, str, bytes, list, tuple})
"""Types of results that are not to come, nor hold what `is_pending` looks into; subclasses may be."""


def is_pending(result: object) -> bool:
    """Whether a result, or a member of it, is still to come, which only JSON lines can send."""
    if type(result) in _AT_HAND:
        return False
    return _is_awaited(result) or (isinstance(result, dict) and any(map(_is_awaited, result.values())))


def _is_awaited(value: object) -> bool:
    return inspect.isawaitable(value) or is_stream(value)


async def discard(result: Any) -> None:
    """Give up what is still to come of a result that cannot be sent."""
    for part in [result, *(result.values() if isinstance(result, dict) else ())]:
        if is_stream(part):
            await close_stream(part)
        elif inspect.iscoroutine(part):
            part.close()
        elif isinstance(part, asyncio.Future):
            part.cancel()


def is_being_cancelled() -> bool:
    """Whether a `CancelledError` is meant for this task, rather than for something it awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def close_stream(events: Any) -> None:
    """Close an async iterator that will not be read further, if it can be closed."""
    close = getattr(events, "aclose", None)
    if close is not None:
        await close()


def _handler(procedure: Procedure, opened: Callable[[Any], None] = lambda result: None) -> Any:
    """Make what the innermost middleware calls; `opened` is told what the procedure gave."""

    async def handle(call: CallInfo) -> Any:
        arguments = procedure.input.bind(call.raw_input, merged=call.last_event_id is not None)
        if procedure.takes_last_event_id:
            arguments["last_event_id"] = call.last_event_id
        if procedure.takes_context:
            arguments["ctx"] = call.context
        result = await _apply(procedure.function, arguments)
        opened(result)
        return result

    return handle


_is_async = lru_cache(inspect.iscoroutinefunction)
_is_generator = lru_cache(inspect.isasyncgenfunction)


async def _apply(function: Any, arguments: dict[str, Any]) -> Any:
    if _is_async(function):
        return await function(**arguments)
    if _is_generator(function):
        return function(**arguments)
    result = await asyncio.to_thread(_apply_in_thread, function, arguments)
    # A plain decorator around an async function.
    return await result if inspect.isawaitable(result) else result


def _apply_in_thread(function: Any, arguments: dict[str, Any]) -> Any:
    try:
        return function(**arguments)
    except StopIteration as error:
        # A future does not take it, so that whoever awaits the thread would wait for ever.
        raise RuntimeError("A procedure raised StopIteration") from error


async def _checked(stream: Stream) -> AsyncGenerator[Any, None]:
    async with aclosing(stream):
        async for event in stream.unchecked:
            yield stream.check(event)


async def _paced(iterator: AsyncIterator[Any], seconds: float) -> AsyncGenerator[Any, None]:
    while True:
        try:
            event = await _within(seconds, anext(iterator))
        except StopAsyncIteration:
            return
        yield event


async def _close_all(streams: list[Any]) -> None:
    """Close streams, the last one first: middleware that wraps one in a generator rarely closes it."""
    async with AsyncExitStack() as closing:
        for stream in streams:
            closing.push_async_callback(close_stream, stream)


def _within(seconds: float | None, work: Any) -> Any:
    return work if seconds is None else _in_time(seconds, work)


async def _in_time(seconds: float, work: Any) -> Any:
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline:
            return await work
    except TimeoutError as error:
        if not deadline.expired():
            raise
        raise RPCError("TIMEOUT", f"No answer within {seconds} seconds") from error
