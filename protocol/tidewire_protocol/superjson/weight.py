"""How large a value is when it is written out, with all that it repeats.

A value from a client may hold the same part many times over, and that part another one: a few
hundred bytes can stand for more than fits into memory. Weighing looks at each part once.
"""

from collections.abc import Hashable, Iterator
from typing import Any, Final

from .values import JSError, JSMap, JSSet, TypedArray, Uint8Array, same_value_key

_SCALAR: Final = 8
"""About the characters of a number, or of null with its comma."""

_ITEM: Final = 16
"""About the characters of a number in a typed array, or of a time and its annotation."""

# No payload is as heavy. Sums that stay small are cheap.
_HEAVIEST: Final = 1 << 62


class _Part:
    """What is known of a container, which may still be open."""

    __slots__ = ("annotations", "is_annotated", "is_open", "key", "members", "path", "text", "weight")

    def __init__(
        self, members: Iterator[tuple[int, Any]], *, is_annotated: bool, path: int, key: int
    ) -> None:
        self.members = members
        """What it holds, each with the number of characters of its key."""
        self.is_annotated = is_annotated
        self.path = path
        """Characters of the path to where it was met first."""
        self.key = key
        """Characters of the last key of this path."""
        self.is_open = True
        self.weight = 2
        """Characters of its JSON and of the annotations that are complete."""
        self.annotations = 0
        """Annotations inside that still lack the beginning of their path."""
        self.text = 0
        """Characters of the paths of these, from here on."""

    def add(self, part: "_Part", key: int) -> None:
        """Add what a finished part holds; parts that are met again count again."""
        if part.is_annotated:
            self.add_leaf(part.weight + part.text, key, is_annotated=True)
        else:
            self.weight = min(self.weight + key + part.weight, _HEAVIEST)
            self.annotations = min(self.annotations + part.annotations, _HEAVIEST)
            self.text = min(self.text + part.text + part.annotations * key, _HEAVIEST)

    def add_leaf(self, weight: int, key: int, *, is_annotated: bool) -> None:
        self.weight = min(self.weight + key + weight, _HEAVIEST)
        if is_annotated:
            self.annotations += 1
            self.text = min(self.text + key, _HEAVIEST)


def weigh(value: Any) -> tuple[int, bool]:
    """Give about how many characters `value` takes as a payload, and whether it contains itself."""
    scale = _Scale()
    root = scale.weigh(value)
    return root.weight + root.text + scale.references, scale.circular


class _Scale:
    def __init__(self) -> None:
        self.parts: dict[int, _Part] = {}
        self.leaves: dict[Hashable, int] = {}
        """Characters of the path to where each was met first."""
        self.references = 0
        """Characters of the paths that tell where values are the same."""
        self.circular = False

    def weigh(self, value: Any) -> _Part:
        root = _Part(iter([(0, value)]), is_annotated=False, path=0, key=0)
        parts = [root]
        while parts:
            part = parts[-1]
            for key, item in part.members:
                opened = self.add(part, key, item)
                if opened is not None:
                    parts.append(opened)
                    break
            else:
                part.is_open = False
                parts.pop()
                if parts:
                    parts[-1].add(part, part.key)
        return root

    def add(self, part: _Part, key: int, item: Any) -> _Part | None:
        """Add one item; if it is a container that was not met yet, give it to be looked into."""
        path = part.path + key
        members = _members(item)
        if members is None:
            self.add_leaf(part, key, item)
            return None
        known = self.parts.get(id(item))
        if known is None:
            is_annotated = type(item) is not list and type(item) is not dict
            known = _Part(members, is_annotated=is_annotated, path=path, key=key)
            self.parts[id(item)] = known
            return known
        self.references += path + known.path
        if known.is_open:
            self.circular = True
            part.add_leaf(_SCALAR, key, is_annotated=False)
        else:
            part.add(known, key)
        return None

    def add_leaf(self, part: _Part, key: int, item: Any) -> None:
        if type(item) is str:
            part.add_leaf(len(item), key, is_annotated=False)
        elif item is None or isinstance(item, (bool, float)) or type(item) is int:
            part.add_leaf(_SCALAR, key, is_annotated=False)
        else:
            part.add_leaf(_leaf_weight(item), key, is_annotated=True)
            path = part.path + key
            first = self.leaves.setdefault(same_value_key(item), path)
            self.references += path + first


def _members(value: Any) -> Iterator[tuple[int, Any]] | None:
    """Give what a container holds, or None if it is none."""
    if type(value) is dict:
        return ((len(key) + 1, item) for key, item in value.items())
    if type(value) is list or type(value) is JSSet:
        digits = len(str(len(value))) + 1
        return ((digits, item) for item in value)
    if type(value) is JSMap:
        digits = len(str(len(value))) + 3
        return ((digits, item) for pair in value.rows() for item in pair)
    if type(value) is JSError:
        return iter([(0, value.name), (0, value.message), (len("cause."), value.cause)])
    return None


def _leaf_weight(value: Any) -> int:
    if isinstance(value, int):
        return value.bit_length() // 3
    if isinstance(value, (Uint8Array, TypedArray)):
        return _ITEM * len(value)
    return len(value) if isinstance(value, str) else 2 * _ITEM
