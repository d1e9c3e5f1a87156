"""What becomes of a Python value, by its type: a piece of JSON with an annotation, or parts."""

import math
import re
from collections.abc import Callable, Hashable, Iterator
from datetime import datetime
from enum import Enum
from typing import Any, Final

import msgspec
from msgspec import UnsetType

from ..times import iso_text
from .leaves import (
    BIGINT,
    BYTES,
    DATE,
    REGEXP,
    UNDEFINED,
    URL_TEXT,
    Lowered,
    date,
    integer,
    number,
    pattern,
    refuse,
    same_integer,
    scalar,
    text,
    typed_array,
)
from .records import Record, record_of, refuse_forbidden_names
from .values import (
    URL,
    BigInt,
    JSDate,
    JSError,
    JSMap,
    JSSet,
    RegExp,
    TypedArray,
    Uint8Array,
)


def unidentified(value: Any) -> Hashable:
    """Tell nothing apart: Python itself may make one of two equal values of this type."""
    return None


class Leaf(msgspec.Struct, frozen=True, eq=False):
    """A value without parts."""

    lower: Callable[[Any], Lowered]
    """Gives what is written as JSON, and the annotation."""
    identity: Callable[[Any], Hashable] = unidentified
    """Gives what tells it from every other value, or None where that is not to be told."""


class Branch(msgspec.Struct, frozen=True, eq=False):
    """A value with parts."""

    members: Callable[[Any], Iterator[tuple[Any, Any]]]
    """Gives the keys and the parts; positions are keys, too."""
    count: Callable[[Any], int] | None = None
    """Gives the length of the array that it is written as; None for an object."""
    annotation: str | None = None
    identity: Callable[[Any], Hashable] = id
    is_plain: Callable[[Any], bool] | None = None
    """As `Record.is_plain`."""


class Choice(msgspec.Struct, frozen=True, eq=False):
    """A type whose instances take different forms."""

    form_of: Callable[[Any], Branch]


Form = Leaf | Branch


def form_of(value: Any) -> Form:
    """Give the form of `value`.

    Raises:
        TypeError: it has none.
        ValueError: a class has a field of a name that superjson does not send.
    """
    cls = type(value)
    form = _forms.get(cls)
    if form is None:
        form = _forms[cls] = _resolve(cls)
    return form.form_of(value) if isinstance(form, Choice) else form


def is_plain(value: Any) -> bool:
    """Whether msgspec's own JSON of a Struct needs no annotation: it has scalars only, and usual ones."""
    form = form_of(value)
    return isinstance(form, Branch) and form.is_plain is not None and form.is_plain(value)


# ---------- branches


def _items(value: Any) -> Iterator[tuple[int, Any]]:
    return iter(enumerate(value))


def _object_members(value: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    refuse_forbidden_names(value)
    return iter(value.items())


def _entries(value: Any) -> Iterator[tuple[int, Any]]:
    return iter(enumerate(value.items()))


OBJECT: Final = Branch(_object_members)
MAP: Final = Branch(_entries, len, "map")


def _dict(value: dict[Any, Any]) -> Branch:
    """Tell objects from Maps: whatever has keys that are no text in JSON is a Map."""
    if {str}.issuperset(map(type, value)):
        return OBJECT
    names = [_name_of(key) for key in value]
    if None in names:
        return MAP
    return Branch(lambda value: _object_members(dict(zip(names, value.values(), strict=True))))


def _name_of(key: Any) -> str | None:
    if isinstance(key, (URL, datetime, tuple, frozenset)):
        return None
    form = form_of(key)
    if isinstance(form, Branch):
        return None
    lowered, annotation = form.lower(key)
    return lowered if annotation is None and isinstance(lowered, str) else None


def _js_error(value: JSError) -> Iterator[tuple[str, Any]]:
    return iter((("name", value.name), ("message", value.message), ("cause", value.cause)))


def _exception(value: BaseException) -> Iterator[tuple[str, Any]]:
    return iter((("name", type(value).__name__), ("message", str(value))))


def _branch_of(record: Record) -> Branch:
    identity: Callable[[Any], Hashable] = id if record.is_mutable else unidentified
    if record.is_array:
        return Branch(
            lambda value: iter(enumerate(item for _, item in record.members(value))),
            lambda value: sum(1 for _ in record.members(value)),
            identity=identity,
            is_plain=record.is_plain,
        )
    return Branch(record.members, identity=identity, is_plain=record.is_plain)


def _enumerated(value: Enum) -> Lowered:
    form = form_of(value.value)
    return form.lower(value.value) if isinstance(form, Leaf) else refuse(value)


# ---------- which type has which form

_forms: Final[dict[type, Form | Choice]] = {
    str: Leaf(lambda value: (value, None)),
    bool: Leaf(lambda value: (value, None)),
    type(None): Leaf(lambda value: (value, None)),
    UnsetType: Leaf(lambda value: (None, UNDEFINED)),
    int: Leaf(integer, same_integer),
    # Infinities are numbers for superjson, which can be equal but not the same; NaN is not.
    float: Leaf(number, lambda value: "NaN" if math.isnan(value) else None),
    list: Branch(_items, len),
    tuple: Branch(_items, len, identity=unidentified),
    dict: Choice(_dict),
    JSMap: MAP,
    JSSet: Branch(_items, len, "set"),
    JSError: Branch(_js_error, None, "Error"),
    set: Branch(_items, len, "set"),
    frozenset: Branch(_items, len, "set", unidentified),
    BigInt: Leaf(lambda value: (str(int(value)), BIGINT), lambda value: ("bigint", int(value))),
    URL: Leaf(lambda value: (str(value), URL_TEXT), id),
    datetime: Leaf(lambda value: (iso_text(value), DATE), id),
    JSDate: Leaf(date, id),
    RegExp: Leaf(lambda value: (f"/{value.source}/{value.flags}", REGEXP), id),
    re.Pattern: Leaf(pattern),
    TypedArray: Leaf(typed_array, id),
    Uint8Array: Leaf(lambda value: (list(value), BYTES), id),
    bytearray: Leaf(lambda value: (list(value), BYTES), id),
    bytes: Leaf(lambda value: (list(value), BYTES)),
    memoryview: Leaf(lambda value: (list(value.tobytes()), BYTES)),
}

# A subclass has the form of the first of these that it is a subclass of.
_BASES: Final = (
    JSMap, JSSet, JSError, BigInt, URL, TypedArray, Uint8Array, datetime,
    list, tuple, dict, set, frozenset, bytes, bytearray,
)  # fmt: skip


_BUILTINS: Final[tuple[tuple[type, Callable[[Any], Lowered]], ...]] = (
    (str, text),
    (int, integer),
    (float, number),
)


def _resolve(cls: type) -> Form | Choice:
    if issubclass(cls, Enum):
        return Leaf(_enumerated)
    if issubclass(cls, BaseException) and not issubclass(cls, JSError):
        return Branch(_exception, None, "Error")
    for base in _BASES:
        if issubclass(cls, base):
            return _forms[base]
    for builtin, lower in _BUILTINS:
        if issubclass(cls, builtin):
            return Leaf(lower)
    record = record_of(cls)
    return Leaf(scalar) if record is None else _branch_of(record)
