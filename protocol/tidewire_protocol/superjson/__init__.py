"""superjson: JSON with annotations, so that what JSON does not have arrives as what it was.

| JavaScript | arrives as | is made of |
| --- | --- | --- |
| `undefined` | UNSET | UNSET |
| BigInt | `BigInt` | `BigInt`, and integers beyond 2^53 |
| NaN, infinities, -0 | float | float |
| Date | datetime in UTC, or `JSDate` | datetime with a time zone, `JSDate` |
| Map | `JSMap` | `JSMap`, and dicts with keys that are no text |
| Set | `JSSet` | `JSSet`, set, frozenset |
| RegExp | `RegExp` | `RegExp`, `re.Pattern` |
| URL | `URL` | `URL` |
| Error | `JSError` | `JSError` and other exceptions |
| Uint8Array | `Uint8Array` | bytes, bytearray, memoryview |
| other typed arrays | `TypedArray` | `TypedArray` |

All of them convert to the types of a procedure by `msgspec.convert`, after `without_undefined`.
What a payload says is one and the same value is one object in Python, and the other way round,
but for what Python itself shares unseen: tuples, frozen Structs, bytes. A value that contains itself
arrives as `Circular`. Everything else is as in JSON.
"""

from typing import Any, Final

from msgspec import Struct

from ..json_text import dumps
from .decode import decode
from .encode import encode
from .forms import is_plain
from .values import (
    URL,
    VALUE_TYPES,
    BigInt,
    Circular,
    JSDate,
    JSError,
    JSMap,
    JSSet,
    RegExp,
    TypedArray,
    TypedArrayKind,
    Uint8Array,
    without_undefined,
)

__all__ = [
    "SUPERJSON",
    "URL",
    "VALUE_TYPES",
    "BigInt",
    "Circular",
    "JSDate",
    "JSError",
    "JSMap",
    "JSSet",
    "RegExp",
    "SuperjsonTransformer",
    "TypedArray",
    "TypedArrayKind",
    "Uint8Array",
    "without_undefined",
]


class SuperjsonTransformer:
    """The npm package `superjson`, version 2.

    A payload is `{"json": …, "meta"?: …}`, for undefined as well, so that nothing is ever absent.
    """

    name = "superjson"

    def encode(self, value: object) -> bytes:
        """Give the payload of `value`.

        Raises:
            TypeError, ValueError: as `Transformer.encode`; also ValueError for the keys
                `__proto__`, `prototype` and `constructor`.
        """
        plain = _plain_text(value)
        return encode(value) if plain is None else b'{"json":' + plain + b"}"

    def encode_tracked(self, event_id: str, value: object) -> bytes:
        """Give the payload of an event with an id: of `{"id": event_id, "data": value}`.

        Raises:
            TypeError, ValueError: as `encode`.
        """
        plain = _plain_text(value)
        if plain is None:
            return encode({"id": event_id, "data": value})
        return b'{"json":{"id":' + dumps(event_id) + b',"data":' + plain + b"}}"

    def decode(self, document: object) -> object:
        """Give the value of a payload. Parts of the document become parts of the value.

        Raises:
            ValueError: not a payload, or one that superjson or JavaScript would refuse.
        """
        return decode(document)


def _plain_text(value: Any) -> bytes | None:
    """Give the JSON of a Struct of usual scalars, such as the events of a stream; None for anything else."""
    if not isinstance(value, Struct) or not is_plain(value):
        return None
    try:
        return dumps(value)
    except TypeError:
        return None


SUPERJSON: Final = SuperjsonTransformer()
