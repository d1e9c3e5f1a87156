"""Pages of long lists, and the cursors that lead from one to the next."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Generic, TypeVar

import msgspec

from ..models import Wire
from .errors import BadCursorError

T = TypeVar("T")
K = TypeVar("K")


class Page(Wire, Generic[T], frozen=True, kw_only=True):
    """Some items of a list; `next_cursor` is absent on the last page."""

    items: list[T]
    next_cursor: str | None = None


def encode_cursor(key: Any) -> str:
    """Wrap a sort key so that nobody is tempted to make one up."""
    return urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def decode_cursor(cursor: str, decoder: msgspec.json.Decoder[K]) -> K:
    """Unwrap a sort key.

    Raises:
        BadCursorError: it is not from `encode_cursor`, or from another list.
    """
    try:
        return decoder.decode(urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
    except ValueError:
        raise BadCursorError("The cursor is not one that this list gave out.") from None
