"""How values become JSON on the wire, and JSON becomes values."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec
from msgspec import UNSET, inspect

from .json_text import dumps
from .superjson import SUPERJSON
from .times import iso_text


class Transformer(Protocol):
    """Encodes outputs and errors, decodes inputs. Stateless."""

    @property
    def name(self) -> str:
        """What the client must be configured with."""
        ...

    def encode(self, value: object) -> bytes | None:
        """Give the JSON text of `value`, or None where the key is to be left out.

        Raises:
            TypeError: a value that has no JSON form.
            ValueError: a value that contains itself, or a time without a time zone.
        """
        ...

    def encode_tracked(self, event_id: str, value: object) -> bytes:
        """Give the JSON text of an event with an id: `{"id": event_id, "data": value}`.

        Raises:
            TypeError, ValueError: as `encode`.
        """
        ...

    def decode(self, document: object) -> object:
        """Give the value of a parsed JSON document; UNSET stands for an absent one.

        Raises:
            ValueError: not what a client with this transformer sends.
        """
        ...


class IdentityTransformer:
    """Plain JSON, as `JSON.stringify` writes it.

    Absent is UNSET, never null. Times become `2024-02-29T12:34:56.789Z`; NaN and infinities
    become null. Everything else is written as msgspec writes it.
    """

    name = "none"

    def encode(self, value: object) -> bytes | None:
        if value is UNSET:
            return None
        return dumps(value if writes_alike(type(value)) else _as_javascript(value))

    def encode_tracked(self, event_id: str, value: object) -> bytes:
        data = self.encode(value)
        return b'{"id":' + dumps(event_id) + (b"}" if data is None else b',"data":' + data + b"}")

    def decode(self, document: object) -> object:
        return document


IDENTITY: Final = IdentityTransformer()


# ---------- which types msgspec writes just as JavaScript would

_ALIKE: Final = (
    inspect.StrType,
    inspect.IntType,
    inspect.FloatType,
    inspect.BoolType,
    inspect.NoneType,
    inspect.LiteralType,
    inspect.EnumType,
    inspect.UUIDType,
)


_alike: Final[dict[type, bool]] = dict.fromkeys((str, int, float, bool, type(None)), True)


def writes_alike(cls: type) -> bool:
    """Whether msgspec's own JSON is right for every instance of `cls`.

    True for scalars and for Structs that can hold nothing but scalars, so that the events of
    a stream skip the walk that other values need.
    """
    known = _alike.get(cls)
    if known is None:
        known = issubclass(cls, msgspec.Struct) and _is_alike(inspect.type_info(cls), set())
        _alike[cls] = known
    return known


def _is_alike(info: inspect.Type, seen: set[type]) -> bool:
    match info:
        case inspect.StructType(cls=cls, fields=fields):
            return cls in seen or all(_is_alike(field.type, {*seen, cls}) for field in fields)
        case inspect.UnionType(types=types):
            return all(_is_alike(member, seen) for member in types)
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return _is_alike(item, seen)
        case inspect.Metadata(type=inner_type):
            return _is_alike(inner_type, seen)
        case _:
            return isinstance(info, _ALIKE)


# ---------- everything else

# msgspec hands UNSET inside a dict to the hook, and the hook must give something it knows.
_UNDEFINED: Final = datetime.min


def _hook(value: object) -> object:
    if value is UNSET:
        return _UNDEFINED
    raise TypeError(f"A value of type {type(value).__name__} has no JSON form")


def _as_javascript(value: object) -> object:
    """Lower `value` to builtins that msgspec writes as JavaScript would."""
    try:
        lowered = msgspec.to_builtins(value, builtin_types=(datetime,), enc_hook=_hook)
        return _without_times(lowered)
    except RecursionError:
        return value


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(item) for key, item in value.items() if item is not _UNDEFINED}
    if isinstance(value, (list, tuple)):
        return [_without_times(item) for item in value]
    if isinstance(value, datetime):
        return None if value is _UNDEFINED else iso_text(value)
    return value


TRANSFORMERS: Final[Mapping[str, Transformer]] = {IDENTITY.name: IDENTITY, SUPERJSON.name: SUPERJSON}
