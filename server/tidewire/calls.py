"""Runs one call of a procedure, whatever transport it came by."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from .errors import RPCError
from .middleware import CallInfo, run_chain
from .procedure import Procedure


async def answer(procedure: Procedure, call: CallInfo) -> Any:
    """Run a query or mutation, and give its result, checked against the declared type.

    A result that streams is given as it is: whether it can be sent is the transport's to know.

    Raises:
        RPCError: what the procedure raised, a refused input or output, or TIMEOUT.
        Exception: whatever else the procedure raised.
    """
    result = await _within(procedure.timeout, run_chain(procedure.middleware, call, _handler(procedure)))
    return result if is_stream(result) else procedure.output.check(result)


async def stream(procedure: Procedure, call: CallInfo) -> AsyncGenerator[Any, None]:
    """Set a subscription up, and give its stream of checked events.

    Closing the stream closes the procedure's; so does its end or failure.

    Raises:
        RPCError, Exception: as `answer`; so does the stream.
    """
    events = await _within(procedure.timeout, run_chain(procedure.middleware, call, _handler(procedure)))
    if not is_stream(events):
        message = f"Subscription {call.path} did not return an observable or a AsyncGenerator"
        raise RPCError("INTERNAL_SERVER_ERROR", message)
    return _checked(procedure, events)


def is_stream(result: object) -> bool:
    """Whether a result is to be iterated rather than sent."""
    return hasattr(result, "__aiter__")


async def close_stream(events: Any) -> None:
    """Close an async iterator that will not be read further, if it can be closed."""
    close = getattr(events, "aclose", None)
    if close is not None:
        await close()


def _handler(procedure: Procedure) -> Any:
    async def handle(call: CallInfo) -> Any:
        arguments = procedure.input.bind(call.raw_input)
        if procedure.takes_last_event_id:
            arguments["last_event_id"] = call.last_event_id
        if procedure.takes_context:
            arguments["ctx"] = call.context
        return await _apply(procedure.function, arguments)

    return handle


async def _apply(function: Any, arguments: dict[str, Any]) -> Any:
    if inspect.iscoroutinefunction(function):
        return await function(**arguments)
    if inspect.isasyncgenfunction(function):
        return function(**arguments)
    return await asyncio.to_thread(function, **arguments)


async def _checked(procedure: Procedure, events: Any) -> AsyncGenerator[Any, None]:
    iterator: AsyncIterator[Any] = aiter(events)
    try:
        while True:
            try:
                event = await _within(procedure.timeout, anext(iterator))
            except StopAsyncIteration:
                return
            yield procedure.output.check(event)
    finally:
        await close_stream(iterator)


async def _within(seconds: float | None, work: Any) -> Any:
    if seconds is None:
        return await work
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline:
            return await work
    except TimeoutError as error:
        if not deadline.expired():
            raise
        raise RPCError("TIMEOUT", f"No answer within {seconds} seconds") from error
