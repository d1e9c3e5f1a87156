"""Which way a body is framed, without a socket."""

import pytest

from tidewire.chat.providers import ProviderError
from tidewire.chat.providers.body import Body
from tidewire.chat.providers.event_stream import ServerEvent


def events_of(body: bytes, size: int) -> list[bytes]:
    frames = Body()
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    events: list[ServerEvent | None] = [event for piece in pieces for event in frames.feed(piece)]
    return [event.data for event in [*events, frames.close()] if event]


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"data: {}\n\n", [b"{}"]),
        (b"\n\r\n: note\ndata: {}\n\n", [b"{}"]),
        (b"\xef\xbb\xbfdata: {}\n\n", [b"{}"]),
        (b'{"a":\n\n1}', [b'{"a":\n\n1}']),
        (b' \n {"data: ": 1}\n', [b'{"data: ": 1}\n']),
        (b"", []),
    ],
)
def test_the_first_bytes_tell_an_event_stream_from_an_object(
    body: bytes, expected: list[bytes], size: int
) -> None:
    assert [event.strip() for event in events_of(body, size)] == [event.strip() for event in expected]


def test_an_object_has_a_largest_size() -> None:
    frames = Body(max_event_bytes=10)
    with pytest.raises(ProviderError):
        list(frames.feed(b'{"text": "too long"}'))
