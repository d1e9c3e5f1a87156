"""WebSocket frames as bytes.

Only what servers send most: whole text messages, unmasked, without extensions.

Source: RFC 6455, section 5.2.
"""

import struct
from collections.abc import Iterable
from typing import Final

WHOLE_TEXT: Final = 0x81

_short_heads: Final = [bytes((WHOLE_TEXT, length)) for length in range(126)]
_medium_head: Final = struct.Struct("!BBH")
_long_head: Final = struct.Struct("!BBQ")


def text_frames(messages: Iterable[bytes]) -> bytes:
    """Put messages, which are UTF-8, into one frame each."""
    parts: list[bytes] = []
    for message in messages:
        parts.append(_head(len(message)))
        parts.append(message)
    return b"".join(parts)


def _head(length: int) -> bytes:
    if length < 126:
        return _short_heads[length]
    if length < 1 << 16:
        return _medium_head.pack(WHOLE_TEXT, 126, length)
    return _long_head.pack(WHOLE_TEXT, 127, length)
