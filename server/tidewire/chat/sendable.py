"""JSON that can be sent to every client."""

from typing import Any, Final

import msgspec

REFUSED: Final = frozenset({"__proto__", "prototype", "constructor"})
"""Keys that superjson sends in no object, for some programs would be led astray by them."""


def sendable(value: Any) -> Any:
    """Give parsed JSON as it is, or as text where an object in it has a key that superjson refuses.

    A model may write any arguments, and a tool answer anything: an event about it that cannot be sent would
    make its conversation unreadable.
    """
    return msgspec.json.encode(value).decode() if _has_refused_key(value) else value


def _has_refused_key(value: Any) -> bool:
    waiting = [value]
    while waiting:
        match waiting.pop():
            case dict() as members:
                if not REFUSED.isdisjoint(members):
                    return True
                waiting += members.values()
            case list() as items:
                waiting += items
            case _:
                pass
    return False
