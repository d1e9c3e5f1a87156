"""What the annotations of a payload make of the JSON that they stand beside.

Each function takes JSON, or what an annotation further down has made of it, and does what
superjson and JavaScript do, as far as superjson could have written it; the rest is refused.
"""

import math
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import UNSET

from ..times import datetime_of, parse_time, time_clip
from .values import (
    MAX_SAFE_INTEGER,
    TYPED_ARRAY_KINDS,
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

# Python's own limit, above which it refuses because the conversion is not linear.
_MAX_BIGINT_DIGITS: Final = 4300

_BIGINT: Final = re.compile(r"[+-]?[0-9]+")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INFINITY: Final = {"Infinity": math.inf, "+Infinity": math.inf, "-Infinity": -math.inf}


def read_number(value: Any) -> int | float:
    """Do as `Number(value)`; whole numbers are integers, as they are in JSON."""
    if value is None:
        return 0
    if isinstance(value, str):
        return _parse_number(value.strip())
    if isinstance(value, bool):
        return int(value)
    return value if isinstance(value, (int, float)) else math.nan


def _parse_number(text: str) -> int | float:
    if text in _INFINITY:
        return _INFINITY[text]
    if not text:
        return 0
    if not _NUMBER.fullmatch(text):
        return math.nan
    number = float(text)
    is_negative_zero = number == 0 and text.startswith("-")
    is_exact = number.is_integer() and abs(number) <= MAX_SAFE_INTEGER
    return int(number) if is_exact and not is_negative_zero else number


def _read_bigint(value: Any) -> BigInt:
    if isinstance(value, str):
        text = value.strip()
        if len(text.lstrip("+-")) > _MAX_BIGINT_DIGITS:
            raise ValueError(f"A BigInt of more than {_MAX_BIGINT_DIGITS} digits is too long")
        if text and not _BIGINT.fullmatch(text):
            raise ValueError(f"Cannot convert {text} to a BigInt")
        return BigInt(text or 0)
    if isinstance(value, (int, float)) and math.isfinite(value) and value == int(value):
        return BigInt(value)
    raise ValueError(f"Cannot convert {_name(value)} to a BigInt")


def _read_date(value: Any) -> Any:
    if isinstance(value, str):
        milliseconds = parse_time(value.strip())
    else:
        number = read_number(value)
        milliseconds = time_clip(number) if math.isfinite(number) else math.nan
    if math.isnan(milliseconds):
        return JSDate(math.nan)
    return datetime_of(milliseconds) or JSDate(milliseconds)


def _read_error(value: Any) -> JSError:
    if not isinstance(value, dict):
        raise ValueError(f"Cannot make an Error of {_name(value)}")
    name, message = value.get("name"), value.get("message")
    return JSError(
        name if isinstance(name, str) else "Error",
        message if isinstance(message, str) else "",
        value.get("cause", UNSET),
    )


def _read_regexp(value: Any) -> RegExp:
    if not isinstance(value, str):
        raise ValueError(f"Cannot make a RegExp of {_name(value)}")
    body, slash, flags = value.rpartition("/")
    if not slash:
        raise ValueError(f"Invalid regular expression: {value}")
    return RegExp(body[1:] or "(?:)", "".join(sorted(flags)))


def _read_set(value: Any) -> JSSet:
    return JSSet(_items(value, "Set"))


def _read_map(value: Any) -> JSMap:
    entries = _items(value, "Map")
    for entry in entries:
        if not isinstance(entry, list):
            raise ValueError(f"Iterator value {_name(entry)} is not an entry object")
    return JSMap.unsettled([*entry[:2], UNSET, UNSET][:2] for entry in entries)


def _read_url(value: Any) -> URL:
    if not isinstance(value, str):
        raise ValueError("Invalid URL")
    return URL(value.strip())


def _items(value: Any, what: str) -> list[Any]:
    if value is None or value is UNSET:
        return []
    if not isinstance(value, list):
        raise ValueError(f"Cannot make a {what} of {_name(value)}")
    return value


_SIMPLE: Final[Mapping[str, Callable[[Any], Any]]] = {
    "undefined": lambda value: UNSET,
    "bigint": _read_bigint,
    "Date": _read_date,
    "Error": _read_error,
    "regexp": _read_regexp,
    "set": _read_set,
    "map": _read_map,
    "number": read_number,
    "URL": _read_url,
}

# ---------- typed arrays

_INTEGER_BITS: Final[Mapping[str, int]] = {
    "Int8Array": -8,
    "Uint8Array": 8,
    "Int16Array": -16,
    "Uint16Array": 16,
    "Int32Array": -32,
    "Uint32Array": 32,
}


def _read_typed_array(name: str, value: Any) -> TypedArray | Uint8Array:
    kind = TYPED_ARRAY_KINDS.get(name)
    if kind is None:
        raise ValueError("Trying to deserialize unknown typed array")
    # JavaScript takes a number for a length, and makes a gigabyte of it.
    numbers = [read_number(item) for item in _items(value, kind)]
    if kind == "Float64Array":
        return TypedArray(kind, numbers)
    if kind == "Float32Array":
        return TypedArray(kind, map(_rounded, numbers))
    if kind == "Uint8ClampedArray":
        return TypedArray(kind, map(_clamped, numbers))
    bits = _INTEGER_BITS[kind]
    integers = [_wrapped(number, bits) for number in numbers]
    return Uint8Array(integers) if kind == "Uint8Array" else TypedArray(kind, integers)


def _rounded(number: float) -> float:
    try:
        single: float = struct.unpack("<f", struct.pack("<f", number))[0]
    except OverflowError:
        return math.copysign(math.inf, number)
    return int(single) if single.is_integer() and isinstance(number, int) else single


def _clamped(number: float) -> int:
    return 0 if math.isnan(number) else round(min(max(number, 0), 255))


def _wrapped(number: float, bits: int) -> int:
    """Keep the lowest bits; a negative count stands for a signed type."""
    if not math.isfinite(number):
        return 0
    size = 1 << abs(bits)
    integer = int(number) % size
    return integer - size if bits < 0 and integer >= size // 2 else integer


# ---------- the annotations themselves


def _refuse_symbol(name: str, value: Any) -> Any:
    raise ValueError("Trying to deserialize unknown symbol")


def _refuse_class(name: str, value: Any) -> Any:
    raise ValueError(
        f"Trying to deserialize unknown class '{name}' - check "
        "https://github.com/blitz-js/superjson/issues/116#issuecomment-773996564"
    )


def _refuse_custom(name: str, value: Any) -> Any:
    raise ValueError("Trying to deserialize unknown custom value")


_COMPOSITE: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "symbol": _refuse_symbol,
    "class": _refuse_class,
    "custom": _refuse_custom,
    "typed-array": _read_typed_array,
}


def annotated(value: Any, annotation: Any) -> Any:
    """Make of `value` what `annotation` says it is; a Set or a Map is to be settled.

    An annotation that is not there makes undefined, for its name is "undefined" to superjson.

    Raises:
        ValueError: there is no such annotation, or no such value.

    Source: reference transcripts `ws-superjson-*-values`, `ws-superjson-unknown-types`.
    """
    if annotation is UNSET:
        return UNSET
    if isinstance(annotation, str) and annotation in _SIMPLE:
        return _SIMPLE[annotation](value)
    if isinstance(annotation, list) and annotation and isinstance(annotation[0], str):
        read = _COMPOSITE.get(annotation[0])
        if read is not None:
            return read(_name(annotation[1] if len(annotation) > 1 else UNSET), value)
    raise ValueError(f"Unknown transformation: {_name(annotation)}")


def _name(value: Any) -> str:
    """Name a value in a sentence, more or less as JavaScript does."""
    match value:
        case str():
            return value
        case None:
            return "null"
        case bool() | int() | float():
            return str(value).lower()
        case list():
            return ",".join(item if isinstance(item, str) else "…" for item in value)
        case _:
            return "undefined" if value is UNSET else "[object Object]"
