"""Where in a value a path leads, and what can be put there."""

from collections.abc import Callable
from typing import Any, Final

from msgspec import UNSET

from .paths import index_of
from .values import JSError, JSMap, JSSet

_PARTS_OF_ERRORS: Final = ("name", "message", "cause")

_NOWHERE: Final = object()
"""What a path leads to when it leaves the value."""


class _Pair:
    """A pair in a Map, on the way to its key or its value."""

    __slots__ = ("row",)

    def __init__(self, row: list[Any]) -> None:
        self.row = row


class Places:
    """Finds the parts of values by their keys; a key of a Map is a position, and then 0 or 1."""

    def __init__(self) -> None:
        self.rows: dict[int, list[list[Any]]] = {}
        """The pairs of each Map by its id, so that the nth is found at once."""

    def add_map(self, value: JSMap) -> None:
        """Make the parts of an unsettled Map known."""
        self.rows[id(value)] = value.rows()

    def get(self, value: Any, keys: list[str]) -> Any:
        """Give what is at `keys`.

        Raises:
            ValueError: what is on the way there has no parts.
        """
        for key in keys:
            if value is _NOWHERE or value is None or value is UNSET:
                raise ValueError(f"Cannot read the property {key} of nothing")
            value = self.step(value, key)
        if type(value) is _Pair:
            return value.row[1]
        return UNSET if value is _NOWHERE else value

    def walk(self, value: Any, keys: list[str]) -> Any:
        """Go on by several keys, as `step` does."""
        for key in keys:
            value = self.step(value, key)
        return value

    def step(self, value: Any, key: str) -> Any:
        """Go from a value to the one at `key`, or nowhere; from a Map to the pair, which has two more keys.

        Raises:
            ValueError: a Set or a Map has no such position.
        """
        cls = type(value)
        if cls is dict:
            return value.get(key, _NOWHERE)
        if cls is list:
            index = index_of(key)
            return value[index] if index is not None and index < len(value) else _NOWHERE
        if cls is JSSet:
            return _nth(value, key)
        if cls is _Pair:
            return value.row[0 if index_of(key) == 0 else 1]
        if cls is JSMap:
            return _Pair(_nth(self.rows[id(value)], key))
        if cls is JSError:
            return getattr(value, key) if key in _PARTS_OF_ERRORS else _NOWHERE
        return _NOWHERE

    def change(self, value: Any, key: str, make: Callable[[Any], Any]) -> None:
        """Replace what is at `key` of a value, if it is one that has parts.

        Raises:
            ValueError: there is no such position; and whatever `make` raises.
        """
        cls = type(value)
        if cls is dict:
            value[key] = make(value.get(key, UNSET))
        elif cls is list:
            _change_item(value, index_of(key), make)
        elif cls is JSSet:
            # superjson removes the element and adds the new one at the end, which moves those
            # behind it. Here each stays where its path says it is.
            value[index_of(key) or 0] = make(_nth(value, key))
        elif cls is _Pair:
            column = 0 if index_of(key) == 0 else 1
            value.row[column] = make(value.row[column])
        elif cls is JSError and key == "cause":
            # superjson forgets that the cause of an Error was somewhere else, too.
            value.cause = make(value.cause)
        elif cls is JSMap:
            raise ValueError(f"{key} is not a key or a value of a Map")


def _nth(items: list[Any], key: str) -> Any:
    index = index_of(key)
    if index is None or index >= len(items):
        raise ValueError("index out of bounds")
    return items[index]


def _change_item(items: list[Any], index: int | None, make: Callable[[Any], Any]) -> None:
    if index is None:
        make(UNSET)
    elif index < len(items):
        items[index] = make(items[index])
    elif index == len(items):
        items.append(make(UNSET))
    else:
        # JavaScript fills the gap, so that a few bytes become gigabytes.
        raise ValueError(f"Position {index} is beyond the end of an array of {len(items)}")
