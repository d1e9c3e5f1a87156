"""The status and headers of answers, and how an application changes them."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from ..errors import RPCError

VARY: Final = ("vary", "trpc-accept, accept")
JSON: Final = ("content-type", "application/json")
TEXT: Final = ("content-type", "text/plain;charset=UTF-8")
"""Of requests that are refused as a whole: what a browser's Response says of text of no known type."""


class ResponseInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an answer when its headers are sent."""

    paths: Sequence[str]
    context: Any
    """None when it could not be made."""
    errors: Sequence[RPCError]
    """Of the calls; none yet where the answer streams."""
    streams: bool


class ResponseMeta(msgspec.Struct, frozen=True):
    """What an application wants of an answer."""

    status: int | None = None
    """Instead of the one that the results give."""
    headers: Sequence[tuple[str, str]] = ()
    """Added to the others; a name may come repeatedly, as `set-cookie` does."""


ResponseHook = Callable[[ResponseInfo], ResponseMeta]
