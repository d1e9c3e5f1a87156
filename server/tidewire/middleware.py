"""Code that runs around procedures."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from tidewire_protocol.messages import CallKind


class CallInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One call, as middleware sees it."""

    kind: CallKind
    path: str
    context: Any
    raw_input: Any
    """Decoded but not validated; UNSET if the client sent none."""
    last_event_id: str | None
    meta: Mapping[str, Any]
    """What the procedure was declared with."""


Next = Callable[..., Awaitable[Any]]
"""Runs the rest; `await next()` keeps the context, `await next(other)` replaces it.

Gives a query's or mutation's result, or a subscription's stream, which may be wrapped.
"""

Middleware = Callable[[CallInfo, Next], Awaitable[Any]]
"""Runs before input is validated. It may refuse with an `RPCError`, and must return a result."""


async def run_chain(
    chain: tuple[Middleware, ...], call: CallInfo, handler: Callable[[CallInfo], Awaitable[Any]]
) -> Any:
    """Run `handler` inside the middlewares, the first one outermost."""
    if not chain:
        return await handler(call)

    async def proceed(context: Any = msgspec.UNSET) -> Any:
        inner = call if context is msgspec.UNSET else msgspec.structs.replace(call, context=context)
        return await run_chain(chain[1:], inner, handler)

    return await chain[0](call, proceed)
