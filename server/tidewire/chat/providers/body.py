"""A response body, whichever way the server framed it."""

from collections.abc import Iterable

from . import failures
from .event_stream import MAX_EVENT_BYTES, EventStreamReader, ServerEvent

_BLANK = b"\xef\xbb\xbf \t\r\n"


class Body:
    """Reads an event stream, or the one JSON object of a server that ignores `stream`.

    The bytes decide, not the content type: servers mislabel both.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._stream = EventStreamReader(max_event_bytes)
        self._started = False
        self._whole: bytearray | None = None

    @property
    def whole(self) -> bool:
        """The body is one object."""
        return self._whole is not None

    @property
    def foreign(self) -> bool:
        """Something came that is no event stream."""
        return self.whole or self._stream.foreign

    def feed(self, data: bytes) -> Iterable[ServerEvent]:
        """Take the next bytes; iterate to the end to have them read.

        Raises:
            ProviderError: an event, or a body without events, is too large.
        """
        if not self._started:
            self._start(data)
        if self._whole is None:
            return self._stream.feed(data)
        self._whole += data
        if len(self._whole) > self._max_event_bytes:
            raise failures.OVERSIZED.error(f"The answer has more than {self._max_event_bytes} bytes.")
        return ()

    def close(self) -> ServerEvent | None:
        """What is left at the end of the body; it may be cut short."""
        if self._whole is None:
            return self._stream.close()
        return ServerEvent(b"", bytes(self._whole))

    def _start(self, data: bytes) -> None:
        first = data.lstrip(_BLANK)[:1]
        self._started = bool(first)
        if first == b"{":
            self._whole = bytearray()
