"""A subscription as server-sent events."""

import asyncio
from contextlib import aclosing
from typing import Any

import msgspec

from tidewire_protocol import sse

from ..calls import is_being_cancelled
from ..outbox import Outbox
from ..tracking import Tracked
from .request import CallSet


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


async def produce_events(
    calls: CallSet, outbox: Outbox, options: SSEOptions, last_event_id: str | None
) -> None:
    """Run the request's subscription, and put its events into `outbox`, to the end."""
    writer = sse.EventWriter(calls.dispatcher.transformer, last_event_id)
    outbox.put(sse.connected(options.client_options))
    deadline = asyncio.timeout(options.max_duration)
    try:
        async with deadline, aclosing(await calls.run(0)) as events:
            async for event in events:
                outbox.put(_write(writer, event))
                await outbox.room()
        outbox.put(sse.RETURN)
    except (Exception, asyncio.CancelledError) as error:
        if is_being_cancelled():
            raise
        # At its longest duration the stream just ends, so that the client reconnects.
        if not deadline.expired():
            shape = calls.error_shape(error, 0)
            outbox.put(sse.serialized_error(shape, calls.dispatcher.transformer))
    finally:
        outbox.close()


def _write(writer: sse.EventWriter, event: Any) -> bytes:
    if isinstance(event, Tracked):
        return writer.tracked(event.id, event.data)
    return writer.untracked(event)
