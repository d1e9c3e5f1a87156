"""The fields of a class as they are on the wire."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, get_args, get_origin, get_type_hints, is_typeddict

import msgspec
from msgspec import NODEFAULT, UnsetType
from msgspec import inspect as types

from .annotations import is_named_tuple, members_of, plain
from .source import docstrings
from .syntax import Direction

# msgspec leaves a default out when it is what one of these makes, not what another function does.
_PLAIN_FACTORIES: Final = (list, dict, set)


class Member(NamedTuple):
    """One field."""

    name: str
    wire_name: str
    annotation: Any
    required: bool
    """Whether a client must send it."""
    omissible: bool
    """Whether the server may leave it out."""
    default: Any
    """What it is when left out; NODEFAULT where that is nothing, or made anew each time."""
    doc: str | None = None

    def optional(self, direction: Direction) -> bool:
        """Whether the key may be absent."""
        return not self.required if direction == "input" else self.omissible

    def types(self, direction: Direction) -> tuple[Any, ...]:
        """Give the types that the value can have when the key is there."""
        absent: set[Any] = {UnsetType}
        if direction == "output" and self.omissible and self.default is None:
            # None is the default, and defaults are left out: the client never sees null.
            absent.add(type(None))
        members = members_of(self.annotation)
        if absent.isdisjoint(members):
            return (self.annotation,)
        return tuple(member for member in members if member not in absent)


def is_positional(cls: type) -> bool:
    """Whether instances are arrays on the wire."""
    if issubclass(cls, msgspec.Struct):
        return cls.__struct_config__.array_like
    return is_named_tuple(cls)


def members(cls: type) -> Iterator[Member]:
    """Give the fields of a Struct, dataclass, attrs class, TypedDict or NamedTuple in order."""
    found = _of_struct(cls) if issubclass(cls, msgspec.Struct) else _of_other(cls)
    for member in found:
        yield member._replace(doc=_doc(cls, member.name))


def _of_struct(cls: type[msgspec.Struct]) -> Iterator[Member]:
    omits = cls.__struct_config__.omit_defaults and not cls.__struct_config__.array_like
    for field in msgspec.structs.fields(cls):
        has_plain_default = field.default is not NODEFAULT or field.default_factory in _PLAIN_FACTORIES
        yield Member(
            field.name,
            field.encode_name,
            field.type,
            required=field.required,
            omissible=(omits and has_plain_default) or _may_be_unset(field.type),
            default=field.default,
        )


def _of_other(cls: type) -> Iterator[Member]:
    described: Any = types.type_info(cls)
    fields = {field.name: field for field in described.fields}
    # msgspec tells a TypedDict's fields in another order than its author wrote them.
    for name, annotation in get_type_hints(cls, include_extras=True).items():
        if (field := fields.get(name)) is None:
            continue
        yield Member(
            field.name,
            field.encode_name,
            annotation,
            required=field.required,
            omissible=(is_typeddict(cls) and not field.required) or _may_be_unset(annotation),
            default=field.default,
        )


def _may_be_unset(annotation: Any) -> bool:
    return UnsetType in members_of(annotation)


def _doc(cls: type, name: str) -> str | None:
    for owner in cls.__mro__:
        if doc := docstrings(owner.__module__).get(f"{owner.__qualname__}.{name}"):
            return doc
    return None


def type_variables(cls: type) -> tuple[Any, ...]:
    """Give the type variables that a generic class leaves open."""
    return tuple(getattr(cls, "__parameters__", ()))


def arguments(annotation: Any) -> tuple[type, tuple[Any, ...]]:
    """Split `Page[User]` into the class and what its type variables stand for."""
    cls = plain(get_origin(annotation) or annotation)
    given = get_args(annotation)
    return cls, given or tuple(variable.__bound__ or Any for variable in type_variables(cls))
