"""Payloads of superjson become values."""

from collections.abc import Iterator
from typing import Any, Final

from msgspec import UNSET

from .annotations import annotated
from .paths import FORBIDDEN, parse_path, refuse_forbidden
from .places import Places
from .values import MAX_SAFE_INTEGER, Circular, JSMap, JSSet
from .weight import weigh

# What is small anyway may repeat itself as it likes.
_FREE_WEIGHT: Final = 1 << 20
_MAX_GROWTH: Final = 4
"""How many times heavier than the payload the value may be, once all references are followed."""

_forbidden: Final = frozenset(FORBIDDEN)


def decode(document: object) -> Any:
    """Give the value of a payload, `{"json": …, "meta"?: {"values"?, "referentialEqualities"?, "v"?}}`.

    Parts of the document become parts of the value: it is used up. Anything else than an object
    or null is a payload of undefined.

    Raises:
        ValueError: no payload, an annotation that makes no sense, or references that make the
            value far larger than the payload.

    Source: reference transcripts `ws-superjson-*`.
    """
    if document is None or document is UNSET:
        what = "undefined" if document is UNSET else "null"
        raise ValueError(f"Cannot destructure property 'json' of 'payload' as it is {what}.")
    if not isinstance(document, dict):
        return UNSET
    value = _as_javascript(document.get("json", UNSET))
    meta = document.get("meta")
    return _Decoder(value, meta).decode() if isinstance(meta, dict) else value


def _as_javascript(value: Any) -> Any:
    """Give parsed JSON as JavaScript reads it: no `__proto__`, and large numbers are doubles."""
    root = [value]
    containers: list[Any] = [root]
    while containers:
        container = containers.pop()
        if type(container) is dict:
            container.pop("__proto__", None)
            members: Any = container.items()
        else:
            members = enumerate(container)
        for key, item in members:
            cls = type(item)
            if cls is dict or cls is list:
                containers.append(item)
            elif cls is int and not -MAX_SAFE_INTEGER <= item <= MAX_SAFE_INTEGER:
                container[key] = _double(item)
    return root[0]


def _double(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


class _Decoder:
    """Applies the annotations one after another, then the references, in superjson's order."""

    def __init__(self, value: Any, meta: dict[str, Any]) -> None:
        # In a list, the value as a whole can be replaced like any part of it.
        self.root = [value]
        self.values = meta.get("values")
        self.references = meta.get("referentialEqualities")
        self.legacy = _is_legacy(meta.get("v"))
        self.places = Places()
        self.unsettled: list[JSMap | JSSet] = []
        self.written = 0
        """Characters of all paths, as they are in the payload."""
        self.repeated = 0
        """Characters of what nested annotations leave out, and flat ones repeat."""

    def decode(self) -> Any:
        if self.values is not None:
            self.annotate()
        circular = self.refer() if self.references else False
        # A circle is null until its reference is followed, and so may be two keys of a Map.
        for collection in self.unsettled:
            collection.settle()
        return Circular(self.root[0]) if circular else self.root[0]

    def annotate(self) -> None:
        """Walk the tree of annotations: first what is inside a value, then the value itself."""
        # A step is an annotation to apply, or a tree to look at.
        steps: list[tuple[Any, ...]] = [(self.look_at, self.values, self.root, "0", frozenset(), 0)]
        while steps:
            step, *arguments = steps.pop()
            steps.extend(step(*arguments))
        _refuse_growth(self.repeated, self.written)

    def look_at(
        self, tree: Any, start: Any, path: str, before: frozenset[str], length: int
    ) -> list[tuple[Any, ...]]:
        """Find what `tree` annotates, at `path` from `start`; give the steps to do next, the first one last.

        What comes before `start` is told by the forbidden keys that it holds, and by how many
        characters it has since the last annotated value.
        """
        if not tree and not isinstance(tree, list):
            return []
        *way, key = parse_path(path, legacy=self.legacy)
        parent = self.places.walk(start, way)
        above = before.union(_forbidden.intersection(way), _forbidden.intersection([key]))
        if not isinstance(tree, list):
            return self.look_inside(tree, self.places.step(parent, key), above, length + len(path))
        self.repeated += length
        apply = (self.apply, tree[0] if tree else UNSET, parent, key, above)
        children = tree[1] if len(tree) > 1 else None
        return [apply, *self.look_inside(children, self.places.step(parent, key), above, 0)]

    def look_inside(
        self, children: Any, start: Any, before: frozenset[str], length: int
    ) -> list[tuple[Any, ...]]:
        steps: list[tuple[Any, ...]] = []
        for path, tree in _subtrees(children):
            self.written += len(path)
            steps.append((self.look_at, tree, start, path, before, length))
        steps.reverse()
        return steps

    def apply(self, annotation: Any, parent: Any, key: str, path: frozenset[str]) -> list[tuple[Any, ...]]:
        refuse_forbidden(path)
        self.places.change(parent, key, lambda value: self.registered(annotated(value, annotation)))
        return []

    def registered(self, value: Any) -> Any:
        if isinstance(value, (JSMap, JSSet)):
            self.unsettled.append(value)
        if isinstance(value, JSMap):
            self.places.add_map(value)
        return value

    def refer(self) -> bool:
        """Follow the references, and tell whether the value contains itself now."""
        weight, _ = weigh(self.root[0])
        self.written = 0
        groups = self.references
        if isinstance(groups, list):
            whole, groups = (*groups, None, None)[:2]
            self.share(self.root[0], "", whole)
        for path, others in _subtrees(groups):
            self.share(self.places.get(self.root[0], self.keys(path)), path, others)
        grown, circular = weigh(self.root[0])
        _refuse_growth(grown, weight + self.written)
        return circular

    def share(self, value: Any, path: str, others: Any) -> None:
        """Put the value that is at `path` at each of the other places, too."""
        for other in _paths(others):
            self.written += len(path) + len(other)
            *way, key = self.keys(other)
            self.places.change(self.places.walk(self.root[0], way), key, lambda _: value)

    def keys(self, path: str) -> list[str]:
        keys = parse_path(path, legacy=self.legacy)
        refuse_forbidden(keys)
        return keys


def _subtrees(tree: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict):
        yield from tree.items()
    elif isinstance(tree, list):
        yield from ((str(index), subtree) for index, subtree in enumerate(tree))
    elif isinstance(tree, str) and tree:
        raise ValueError(f"Annotations are objects and arrays, not {tree[:40]!r}")


def _paths(paths: Any) -> list[str]:
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise ValueError("The paths of a reference are an array of strings")
    return paths


def _is_legacy(version: Any) -> bool:
    return version is None or (isinstance(version, (int, float)) and version < 1)


def _refuse_growth(grown: int, weight: int) -> None:
    if grown > max(_FREE_WEIGHT, _MAX_GROWTH * weight):
        raise ValueError("The payload repeats too much of itself")
