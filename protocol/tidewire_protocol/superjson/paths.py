"""Paths into a value, as superjson writes them: keys joined by dots."""

import re
from collections.abc import Iterable
from typing import Final

FORBIDDEN: Final = ("__proto__", "prototype", "constructor")
"""Keys that could change what every object of a JavaScript program is, in superjson's order."""

_escape: Final = re.compile(r"[\\.]")
_separator: Final = re.compile(r"\\(.?)|\.", re.DOTALL)
# A backslash that no dot follows is a character like any other.
_legacy_separator: Final = re.compile(r"\\(\.)|\.")
_MAX_INDEX: Final = 2**32 - 2


def escape_key(key: str) -> str:
    """Write one key so that it can be part of a path."""
    return _escape.sub(r"\\\g<0>", key) if "." in key or "\\" in key else key


def parse_path(path: str, *, legacy: bool) -> list[str]:
    r"""Split a path into keys.

    In the legacy form, of payloads without `"v": 1`, a backslash is itself unless a dot follows.

    Raises:
        ValueError: a backslash before anything but a dot or a backslash.
    """
    if "\\" not in path:
        return path.split(".")
    keys: list[str] = []
    pieces: list[str] = []
    end = 0
    for match in (_legacy_separator if legacy else _separator).finditer(path):
        pieces.append(path[end : match.start()])
        end = match.end()
        if match[0] == ".":
            keys.append("".join(pieces))
            pieces.clear()
        elif match[1] in (".", "\\"):
            pieces.append(match[1])
        else:
            raise ValueError("invalid path")
    pieces.append(path[end:])
    keys.append("".join(pieces))
    return keys


def refuse_forbidden(keys: Iterable[str]) -> None:
    """Look for keys that no path may hold.

    Raises:
        ValueError: there is one.
    """
    found = set(keys).intersection(FORBIDDEN)
    for name in FORBIDDEN:
        if name in found:
            raise ValueError(f"{name} is not allowed as a property")


def index_of(key: str) -> int | None:
    """Read a key as the position in an array; None if it is none."""
    if not key:
        return 0
    if not (key.isascii() and key.isdecimal() and len(key) <= 10):
        return None
    index = int(key)
    return index if index <= _MAX_INDEX else None


def is_integer_key(key: str) -> bool:
    """Whether JavaScript moves such a key to the front of an object."""
    index = index_of(key)
    return index is not None and key == str(index)
