"""Server-sent events, as the stock client's subscription link reads them.

Source: reference transcripts `sse*`.
"""

from collections.abc import Mapping
from typing import Any, Final

from .codes import CODES
from .json_text import dumps
from .transformer import Transformer

HEADERS: Final = (
    ("cache-control", "no-cache, no-transform"),
    ("content-type", "text/event-stream"),
    ("x-accel-buffering", "no"),
)
"""Of an event stream; the last one keeps nginx from holding events back."""

PING: Final = b"event: ping\ndata: \n\n\n"
RETURN: Final = b"event: return\ndata: \n\n\n"
"""The stream has ended by itself; the client is not to reconnect."""

RETRIED_NUMBER: Final = CODES["INTERNAL_SERVER_ERROR"].jsonrpc
"""Of the errors after which a stock client repeats the call, for ever."""
FINAL_NUMBER: Final = -32000
"""JSON-RPC's first number for what it has no name for; it is none of tRPC's. The client goes by the
name for everything else."""

_UNDEFINED: Final = b"undefined"


def connected(options: Mapping[str, Any], retry: int | None = None) -> bytes:
    """The first event.

    Args:
        options: the client's, such as `reconnectAfterInactivityMs`.
        retry: milliseconds that the client waits before it reconnects; None for its own time.
    """
    pause = b"" if retry is None else b"\nretry: %d" % retry
    return b"event: connected\ndata: " + dumps(options) + pause + b"\n\n\n"


def as_final(shape: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give an error another number if stock clients would repeat the call because of its own."""
    return {**shape, "code": FINAL_NUMBER} if shape.get("code") == RETRIED_NUMBER else shape


def serialized_error(shape: Mapping[str, Any], transformer: Transformer) -> bytes:
    """The stream has failed."""
    return b"event: serialized-error\ndata: " + (transformer.encode(shape) or b"null") + b"\n\n\n"


class EventWriter:
    """Writes the events of one stream, and keeps the client's last event id right.

    Args:
        last_event_id: what the client came with.
    """

    def __init__(self, transformer: Transformer, last_event_id: str | None) -> None:
        self._transformer = transformer
        self._last_id = last_event_id if last_event_id and _is_sendable(last_event_id) else None

    def tracked(self, event_id: str, data: Any) -> bytes:
        """An event with an id.

        Raises:
            ValueError: an id with line breaks or null characters, which would break the stream.
        """
        if not _is_sendable(event_id):
            raise ValueError(f"An event stream cannot carry the id {event_id!r}")
        self._last_id = event_id
        return b"data: " + self._encode(data) + b"\nid: " + _id_bytes(event_id) + b"\n\n\n"

    def untracked(self, data: Any) -> bytes:
        """An event without an id.

        A browser gives it the last id it received, so that id is cleared for this event, and set
        back by another one that clients do not listen to.
        """
        line = b"data: " + self._encode(data) + b"\n"
        if self._last_id is None:
            return line + b"\n\n"
        return (
            line + b"id: \n\n\n" + b"event: restore-id\ndata: \nid: " + _id_bytes(self._last_id) + b"\n\n\n"
        )

    def _encode(self, data: Any) -> bytes:
        encoded = self._transformer.encode(data)
        return _UNDEFINED if encoded is None else encoded


def _is_sendable(event_id: str) -> bool:
    return not any(character in event_id for character in "\0\n\r")


def _id_bytes(event_id: str) -> bytes:
    # As JavaScript writes text to a stream: half of a surrogate pair becomes U+FFFD.
    return event_id.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
