"""Values become payloads of superjson."""

from collections.abc import Hashable, Iterator
from typing import Any

from ..json_text import dumps
from .forms import Branch, Leaf, form_of
from .paths import escape_key, is_integer_key
from .values import MAX_SAFE_INTEGER, Circular

# A path is () or (path, key): most are never written, so most are never joined.
Path = tuple[Any, ...]

Note = list[Any] | dict[Any, Any]
"""What has to be said about a value: its own annotation, or the notes of its parts by key."""


def encode(value: Any) -> bytes:
    """Give the payload of `value`, as superjson writes it.

    Raises:
        TypeError: a value that has no form in JavaScript.
        ValueError: a key that superjson does not send, a time without a time zone, or a tuple or
            frozen Struct that contains itself.

    Source: reference transcripts `ws-superjson-*`.
    """
    try:
        return dumps(_payload(value, trusting=True))
    except TypeError:
        # A value without any form, or a Struct whose field holds another type than it says, such
        # as a `URL` that came in where a string was asked for.
        return dumps(_payload(value, trusting=False))


def _payload(value: Any, *, trusting: bool) -> dict[str, Any]:
    lowering = _Lowering(trusting)
    lowered, note = lowering.lower(value)
    meta: dict[str, Any] = {}
    if note is not None:
        meta["values"] = note if isinstance(note, list) else _flattened(note)
    equalities = lowering.equalities()
    if equalities is not None:
        meta["referentialEqualities"] = equalities
    return {"json": lowered, "meta": {**meta, "v": 1}} if meta else {"json": lowered}


class _Frame:
    """A value with parts, of which some have been lowered."""

    __slots__ = ("annotation", "key", "lowered", "members", "notes", "path", "value", "visit")

    def __init__(self, value: Any, form: Branch, path: Path, visit: "_Visit | None") -> None:
        self.value = value
        self.members = form.members(value)
        self.annotation = form.annotation
        self.lowered: Any = {} if form.count is None else [None] * form.count(value)
        self.notes: dict[Any, Note] = {}
        self.path = path
        self.visit = visit
        self.key: Any = None
        """Of the part that is being lowered."""

    def note(self) -> Note | None:
        if self.annotation is None:
            return self.notes or None
        return [self.annotation, _flattened(self.notes)] if self.notes else [self.annotation]


class _Visit:
    """A value that has been met."""

    __slots__ = ("is_open", "lowered", "note", "order", "path", "value")

    def __init__(self, value: Any, path: Path, order: int) -> None:
        # Held, so that no other value gets its id.
        self.value = value
        self.path = path
        self.order = order
        self.is_open = True
        """Whether its parts are still being lowered, so that meeting it means a circle."""
        self.lowered: Any = None
        self.note: Note | None = None


class _Lowering:
    """One walk over a value. The stack is a list, so that no nesting is too deep."""

    def __init__(self, trusting: bool) -> None:
        self.trusting = trusting
        """Whether msgspec may write a Struct that needs no annotation if its fields are what they say."""
        self.frames: list[_Frame] = []
        self.visits: dict[Hashable, _Visit] = {}
        self.repeats: dict[Hashable, list[Path]] = {}
        """Where values have been met again."""
        self.nameless: set[int] = set()
        """Those that are being lowered and are not told apart, such as tuples."""

    def lower(self, root: Any) -> tuple[Any, Note | None]:
        """Give what is written as JSON, and what is to be said about it."""
        lowered, note = self.enter(root, ())
        while self.frames:
            frame = self.frames[-1]
            if self.advance(frame):
                continue
            self.frames.pop()
            note = self.end(frame)
            if self.frames and note is not None:
                parent = self.frames[-1]
                parent.notes[parent.key] = note
        return lowered, note

    def advance(self, frame: _Frame) -> bool:
        """Lower parts until one has parts itself; False when all are done."""
        lowered = frame.lowered
        for key, item in frame.members:
            cls = type(item)
            small = cls is int and -MAX_SAFE_INTEGER <= item <= MAX_SAFE_INTEGER
            if small or cls is str or item is None or cls is bool:
                lowered[key] = item
            else:
                lowered[key], note = self.enter(item, (frame.path, key))
                if self.frames[-1] is not frame:
                    frame.key = key
                    return True
                if note is not None:
                    frame.notes[key] = note
        return False

    def enter(self, value: Any, path: Path) -> tuple[Any, Note | None]:
        """Lower a value without parts, or begin with one that has some."""
        if type(value) is Circular:
            value = value.value
        form = form_of(value)
        identity = form.identity(value)
        visit = None
        if identity is not None:
            visit = self.visits.get(identity)
            if visit is not None:
                self.repeats.setdefault(identity, []).append(path)
                return (None, None) if visit.is_open else (visit.lowered, visit.note)
            visit = self.visits[identity] = _Visit(value, path, len(self.visits))
        if isinstance(form, Leaf):
            lowered, note = form.lower(value)
        elif self.trusting and form.is_plain is not None and form.is_plain(value):
            lowered, note = value, None
        else:
            return self.begin(_Frame(value, form, path, visit)), None
        if visit is not None:
            visit.lowered, visit.note, visit.is_open = lowered, note, False
        return lowered, note

    def begin(self, frame: _Frame) -> Any:
        if frame.visit is not None:
            frame.visit.lowered = frame.lowered
        elif id(frame.value) in self.nameless:
            raise ValueError(f"A {type(frame.value).__name__} that contains itself has no JSON form")
        else:
            self.nameless.add(id(frame.value))
        self.frames.append(frame)
        return frame.lowered

    def end(self, frame: _Frame) -> Note | None:
        note = frame.note()
        if frame.visit is None:
            self.nameless.discard(id(frame.value))
        else:
            frame.visit.note, frame.visit.is_open = note, False
        return note

    def equalities(self) -> Any:
        """Give superjson's account of which values are the same, if any are."""
        root: list[str] | None = None
        groups: dict[str, list[str]] = {}
        for identity in sorted(self.repeats, key=lambda identity: self.visits[identity].order):
            paths = [_keys(path) for path in (self.visits[identity].path, *self.repeats[identity])]
            first, *others = sorted(paths, key=len)
            if first:
                groups[_joined(first)] = list(map(_joined, others))
            else:
                root = list(map(_joined, others))
        if root is not None:
            return [root, _in_javascript_order(groups)] if groups else [root]
        return _in_javascript_order(groups) or None


# ---------- paths


def _keys(path: Path) -> list[Any]:
    keys: list[Any] = []
    while path:
        path, key = path
        keys.append(key)
    keys.reverse()
    return keys


def _joined(keys: list[Any]) -> str:
    return ".".join([escape_key(str(key)) for key in keys])


def _in_javascript_order(groups: dict[str, Any]) -> dict[str, Any]:
    numbers = sorted(filter(is_integer_key, groups), key=int)
    return {key: groups[key] for key in (*numbers, *groups)} if numbers else groups


def _flattened(notes: dict[Any, Note]) -> dict[str, Any]:
    """Give the annotations of the parts by their paths, in the order that JavaScript would."""
    annotations: dict[str, Any] = {}
    keys: list[str] = []
    levels = [_in_order(notes)]
    while levels:
        for key, note in levels[-1]:
            keys.append(escape_key(str(key)))
            if isinstance(note, dict):
                levels.append(_in_order(note))
                break
            annotations[".".join(keys)] = note
            keys.pop()
        else:
            levels.pop()
            if keys:
                keys.pop()
    return annotations


def _in_order(notes: dict[Any, Note]) -> Iterator[tuple[Any, Note]]:
    """Begin with the annotations that stand at a position; superjson puts them under a number."""
    first = [key for key, note in notes.items() if isinstance(note, list) and is_integer_key(str(key))]
    if not first or len(first) == len(notes) == 1:
        return iter(notes.items())
    first.sort(key=int)
    known = set(first)
    return iter(
        [(key, notes[key]) for key in first] + [item for item in notes.items() if item[0] not in known]
    )
