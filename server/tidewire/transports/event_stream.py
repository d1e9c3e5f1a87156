"""A subscription as server-sent events."""

import asyncio
from contextlib import aclosing
from typing import Any, Final

import msgspec

from tidewire_protocol import sse

from ..calls import is_being_cancelled
from ..errors import as_rpc_error
from ..outbox import Outbox
from ..tracking import Tracked
from .request import CallSet

RETRIED_CODES: Final = frozenset({"BAD_GATEWAY", "SERVICE_UNAVAILABLE", "GATEWAY_TIMEOUT"})
"""Of errors that pass: stock clients repeat the call, with the last event id, until it succeeds.

They do so with INTERNAL_SERVER_ERROR and NOT_IMPLEMENTED as well, which share the number. But a bug
does not pass, and a call that begins something would begin it again each time.
"""


class SSEOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How subscriptions are streamed over HTTP.

    Raises:
        ValueError: pings so rare that the client would reconnect between them.
    """

    ping_interval: float | None = None
    """Seconds without an event after which a ping is sent; None for never."""
    reconnect_after_inactivity: float | None = None
    """Seconds without anything after which the client reconnects; None for never."""
    max_duration: float | None = None
    """Seconds after which the response ends, and the client reconnects; None for never."""
    reconnect_pause: float | None = None
    """Seconds that the client waits before it reconnects; None for its own time, mostly 3 s."""
    retry_internal_errors: bool = False
    """Whether stock clients are to repeat a call that failed with INTERNAL_SERVER_ERROR or
    NOT_IMPLEMENTED, for ever, as they do with the reference server."""

    def __post_init__(self) -> None:
        ping, reconnect = self.ping_interval, self.reconnect_after_inactivity
        if ping is not None and reconnect is not None and ping > reconnect:
            raise ValueError("ping_interval must not be longer than reconnect_after_inactivity")

    @property
    def client_options(self) -> dict[str, Any]:
        """What the client is told first."""
        if self.reconnect_after_inactivity is None:
            return {}
        return {"reconnectAfterInactivityMs": round(self.reconnect_after_inactivity * 1000)}

    @property
    def retry_milliseconds(self) -> int | None:
        """The pause as the event stream says it."""
        return None if self.reconnect_pause is None else round(self.reconnect_pause * 1000)


async def produce_events(
    calls: CallSet, outbox: Outbox, options: SSEOptions, last_event_id: str | None
) -> None:
    """Run the request's subscription, and put its events into `outbox`, to the end."""
    writer = sse.EventWriter(calls.dispatcher.transformer, last_event_id)
    outbox.put(sse.connected(options.client_options, options.retry_milliseconds))
    deadline = asyncio.timeout(options.max_duration)
    try:
        async with deadline, aclosing(await calls.run(0)) as stream:
            async for event in stream.unchecked:
                outbox.put(_write(writer, stream.check(event)))
                await outbox.room()
        outbox.put(sse.RETURN)
    except (Exception, asyncio.CancelledError) as error:
        if is_being_cancelled():
            raise
        # At its longest duration the stream just ends, so that the client reconnects.
        if not deadline.expired():
            shape = calls.error_shape(error, 0)
            if not (options.retry_internal_errors or as_rpc_error(error).code in RETRIED_CODES):
                shape = sse.as_final(shape)
            outbox.put(sse.serialized_error(shape, calls.dispatcher.transformer))
    finally:
        outbox.close()


def _write(writer: sse.EventWriter, event: Any) -> bytes:
    if isinstance(event, Tracked):
        return writer.tracked(event.id, event.data)
    return writer.untracked(event)
