"""The parts of Structs and dataclasses, as msgspec names them on the wire."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from enum import Enum
from operator import attrgetter
from typing import Any, Final

import msgspec
from msgspec import NODEFAULT, UNSET, inspect

from .paths import FORBIDDEN
from .values import MAX_SAFE_INTEGER

Member = tuple[str, Any]


class Record(msgspec.Struct, frozen=True, eq=False):
    """How to take the instances of one class apart."""

    members: Callable[[Any], Iterator[Member]]
    """Names and values; what is UNSET or left out because it is the default is not there."""
    is_array: bool = False
    is_mutable: bool = True
    is_plain: Callable[[Any], bool] | None = None
    """Whether msgspec's own JSON of an instance needs no annotation; None if it may always need some."""


def record_of(cls: type) -> Record | None:
    """Describe a Struct, a dataclass or an attrs class; None for anything else.

    Raises:
        ValueError: a field has a name that superjson does not send.
    """
    if issubclass(cls, msgspec.Struct):
        return _struct(cls)
    names = _field_names(cls)
    if names is None:
        return None
    refuse_forbidden_names(names)
    return Record(lambda value: _present((name, getattr(value, name)) for name in names))


def refuse_forbidden_names(names: Any) -> None:
    """Look for names that superjson does not send.

    Raises:
        ValueError: there is one.
    """
    for name in FORBIDDEN:
        if name in names:
            raise ValueError(
                f"Detected property {name}. "
                "This is a prototype pollution risk, please remove it from your object."
            )


def _field_names(cls: type) -> list[str] | None:
    if dataclasses.is_dataclass(cls):
        return [field.name for field in dataclasses.fields(cls)]
    attributes = getattr(cls, "__attrs_attrs__", None)
    return None if attributes is None else [attribute.name for attribute in attributes]


def _present(members: Iterator[Member]) -> Iterator[Member]:
    return (member for member in members if member[1] is not UNSET)


# ---------- Structs


def _struct(cls: type[msgspec.Struct]) -> Record:
    config = cls.__struct_config__
    names = list(zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True))
    defaults = {field.name: field for field in msgspec.structs.fields(cls)} if config.omit_defaults else {}
    head: list[Member] = [] if config.tag is None else [(config.tag_field or "type", config.tag)]
    refuse_forbidden_names([name for name, _ in head] + [encoded for _, encoded in names])

    def members(value: Any) -> Iterator[Member]:
        yield from head
        for name, encoded in names:
            item = getattr(value, name)
            if not (defaults and _is_default(item, defaults[name])):
                yield encoded, item

    def present(value: Any) -> Iterator[Member]:
        return _present(members(value))

    return Record(
        members if config.array_like else present,
        is_array=config.array_like,
        is_mutable=not config.frozen,
        is_plain=_plain_check(cls),
    )


def _is_default(item: Any, field: msgspec.structs.FieldInfo) -> bool:
    """Do as msgspec, which compares identities, and takes a new list, dict or set for its like."""
    if field.default is not NODEFAULT:
        return item is field.default
    return type(item) in (list, dict, set) and type(item) is field.default_factory and len(item) == 0


# ---------- Structs of scalars, such as the events of a stream

_WITHOUT_NUMBERS: Final = (inspect.StrType, inspect.BoolType, inspect.NoneType, inspect.UUIDType)
_MAYBE_NUMBERS: Final = (inspect.IntType, inspect.FloatType, inspect.LiteralType, inspect.EnumType)


def _plain_check(cls: type[msgspec.Struct]) -> Callable[[Any], bool] | None:
    try:
        info = inspect.type_info(cls)
    except (TypeError, NameError):
        # msgspec writes more Structs than it can read.
        return None
    assert isinstance(info, inspect.StructType)
    numbers: list[str] = []
    for field in info.fields:
        for member in _union_members(field.type):
            if isinstance(member, _MAYBE_NUMBERS) and not _is_text(member):
                numbers.append(field.name)
            elif not _is_text(member) and not isinstance(member, _WITHOUT_NUMBERS):
                return None
    if not numbers:
        return lambda value: True
    if len(numbers) == 1:
        get = attrgetter(numbers[0])
        return lambda value: is_plain_scalar(get(value))
    get_all = attrgetter(*numbers)
    return lambda value: all(map(is_plain_scalar, get_all(value)))


def _union_members(info: inspect.Type) -> tuple[inspect.Type, ...]:
    if isinstance(info, inspect.Metadata):
        return _union_members(info.type)
    if isinstance(info, inspect.UnionType):
        return tuple(part for member in info.types for part in _union_members(member))
    return (info,)


def _is_text(info: inspect.Type) -> bool:
    if isinstance(info, inspect.LiteralType):
        return all(isinstance(value, str) for value in info.values)
    return isinstance(info, inspect.EnumType) and all(isinstance(item.value, str) for item in info.cls)


def is_plain_scalar(value: Any) -> bool:
    """Whether a number, or what stands in its place, is the same in JSON, Python and JavaScript."""
    cls = type(value)
    if cls is int:
        return bool(-MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER)
    if cls is float:
        return math.isfinite(value) and (value != 0 or math.copysign(1, value) > 0)
    if isinstance(value, Enum):
        return type(value.value) is str or is_plain_scalar(value.value)
    return value is None or cls is bool or cls is str or value is UNSET
