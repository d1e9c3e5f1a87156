"""An event stream's bytes, in pieces of any size, to its events."""

from collections.abc import Iterator
from typing import Final

import msgspec

from . import failures

MAX_EVENT_BYTES: Final = 8 << 20
"""A chunk is well below 1 KiB; whole tool arguments or a whole answer in one event are below this."""

_BOM: Final = b"\xef\xbb\xbf"
_DATA: Final = b"data: "
_BLANK_LINE: Final = b"\n\n"


class ServerEvent(msgspec.Struct, frozen=True, gc=False):
    """One event: `name` is empty where the stream gave none, `data` is its lines joined by LF."""

    name: bytes
    data: bytes


class EventStreamReader:
    """Reads one event stream.

    Lines end in CR, LF or CRLF; bytes may be split anywhere, inside a character too. Works on
    bytes: text APIs also split lines at U+2028, which JSON strings may hold.

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.foreign: bool = False
        """A line came that no event stream has, e.g. one of HTML."""
        self._max_event_bytes = max_event_bytes
        self._line = bytearray()
        self._at_start = True
        self._after_cr = False
        self._name = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[ServerEvent]:
        """Take the next bytes; iterate to the end to have them read.

        Raises:
            ProviderError: an event is larger than `max_event_bytes`.
        """
        if self._line or self._data or self._name or self._after_cr:
            end = data.find(_BLANK_LINE) + len(_BLANK_LINE)
            if end < len(_BLANK_LINE):
                yield from self._read_lines(data)
                return
            yield from self._read_lines(data[:end])
            data = data[end:]
        # What nearly all servers send costs a third of what it would line by line, or less: an event of one
        # line by itself, or several, and maybe the beginning of one more.
        is_plain = data.startswith(_DATA) and b"\r" not in data
        if is_plain and data.find(b"\n") == len(data) - len(_BLANK_LINE) and data.endswith(_BLANK_LINE):
            self._at_start = False
            yield ServerEvent(b"", data[len(_DATA) : -len(_BLANK_LINE)])
            return
        end = data.rfind(_BLANK_LINE) if is_plain else -1
        values = data[len(_DATA) : end].split(_BLANK_LINE + _DATA) if end > 0 else []
        if values and data.count(b"\n", 0, end) == len(_BLANK_LINE) * (len(values) - 1):
            self._at_start = False
            for value in values:
                yield ServerEvent(b"", value)
            data = data[end + len(_BLANK_LINE) :]
        if data:
            yield from self._read_lines(data)

    def close(self) -> ServerEvent | None:
        """The event that the end of the stream left without its blank line; it may be cut short."""
        tail = bytes(self._line)
        self._line.clear()
        if tail and not b"data:".startswith(tail):
            self._take(tail)
        return self._take(b"")

    def _read_lines(self, data: bytes) -> Iterator[ServerEvent]:
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if b"\n" not in data and b"\r" not in data:
            # Kept apart from the copying below, or a long line in small pieces costs quadratic time.
            self._line += data
            self._check_size()
            return
        lines = (bytes(self._line) + data).splitlines(keepends=True)
        self._line.clear()
        self._after_cr = data.endswith(b"\r")
        if not lines[-1].endswith((b"\n", b"\r")):
            self._line += lines.pop()
        for line in lines:
            event = self._take(line.rstrip(b"\r\n"))
            if event is not None:
                yield event
        self._check_size()

    def _take(self, line: bytes) -> ServerEvent | None:
        if self._at_start:
            line = line.removeprefix(_BOM)
            self._at_start = False
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._size += len(value)
        elif field == b"event":
            self._name = value
        elif field not in (b"", b"id", b"retry"):
            self.foreign = True
        return None

    def _dispatch(self) -> ServerEvent | None:
        event = ServerEvent(self._name, b"\n".join(self._data)) if self._data else None
        self._name, self._data, self._size = b"", [], 0
        return event

    def _check_size(self) -> None:
        if self._size + len(self._line) > self._max_event_bytes:
            raise failures.OVERSIZED.error(f"An event has more than {self._max_event_bytes} bytes.")
