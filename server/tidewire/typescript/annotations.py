"""What can be asked of a Python type."""

import sys
from collections.abc import (
    Collection,
    Mapping,
    MutableMapping,
    MutableSequence,
    MutableSet,
    Sequence,
    Set,
)
from dataclasses import is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NewType,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    is_typeddict,
)
from uuid import UUID

import msgspec
from msgspec import UnsetType

ARRAYS: Final = (list, Sequence, MutableSequence, Collection)
SETS: Final = (set, frozenset, Set, MutableSet)
MAPPINGS: Final = (dict, Mapping, MutableMapping)
TEXTS: Final = (str, date, time, timedelta, UUID, Decimal)
"""Whatever is a string on the wire with every transformer."""
ABSENT: Final = (NoneType, UnsetType)

_WRAPPERS: Final = (Annotated, Final, Required, NotRequired)


def plain(annotation: Any) -> Any:
    """Take off what says nothing about the shape: `Annotated`, `Final`, `Required`, `NewType`."""
    while True:
        if get_origin(annotation) in _WRAPPERS:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        else:
            return annotation


def is_union(annotation: Any) -> bool:
    """Whether this is `A | B`, in either of Python's two ways."""
    return get_origin(annotation) in (Union, UnionType)


def members_of(annotation: Any) -> tuple[Any, ...]:
    """Give the members of a union; of anything else, itself."""
    bare = plain(annotation)
    return get_args(bare) if is_union(bare) else (annotation,)


def is_named_alias(annotation: Any) -> bool:
    """Whether this was declared as `type X = ...`."""
    alias: Any = getattr(sys.modules["typing"], "TypeAliasType", None)
    return alias is not None and isinstance(annotation, alias)


def resolved(annotation: Any) -> Any:
    """Take off all names, too, that were declared as `type X = ...`."""
    bare = plain(annotation)
    return resolved(bare.__value__) if is_named_alias(bare) else bare


def is_record(annotation: Any) -> bool:
    """Whether this is a class with fields, which gets a name of its own."""
    return isinstance(annotation, type) and (
        issubclass(annotation, msgspec.Struct)
        or is_dataclass(annotation)
        or is_typeddict(annotation)
        or is_named_tuple(annotation)
        or hasattr(annotation, "__attrs_attrs__")
    )


def is_named_tuple(cls: type) -> bool:
    """Whether this was declared as a `NamedTuple`."""
    return issubclass(cls, tuple) and hasattr(cls, "_fields")


def is_enum(annotation: Any) -> bool:
    """Whether this is an enumeration of single values."""
    return isinstance(annotation, type) and issubclass(annotation, Enum) and not issubclass(annotation, Flag)


def is_text(annotation: Any) -> bool:
    """Whether every value is a string, so that it can be the key of a plain object."""
    members = [resolved(member) for member in members_of(resolved(annotation))]
    return all(
        member in TEXTS
        or (get_origin(member) is Literal and all(isinstance(value, str) for value in get_args(member)))
        or (is_enum(member) and all(isinstance(value.value, str) for value in member))
        for member in members
    )
