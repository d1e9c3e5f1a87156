"""What is written of values without parts: a piece of JSON, and an annotation if it needs one."""

import math
import re
from collections.abc import Hashable
from typing import Any, Final

import msgspec

from ..json_text import number_text
from ..times import iso_text_of
from .values import MAX_SAFE_INTEGER, JSDate, TypedArray

Annotation = list[Any]
"""As it is in the payload: a name in a list, which may get a second item."""

Lowered = tuple[Any, Annotation | None]
"""What is written as JSON, and the annotation."""

UNDEFINED: Final[Annotation] = ["undefined"]
DATE: Final[Annotation] = ["Date"]
BIGINT: Final[Annotation] = ["bigint"]
NUMBER: Final[Annotation] = ["number"]
REGEXP: Final[Annotation] = ["regexp"]
URL_TEXT: Final[Annotation] = ["URL"]
BYTES: Final[Annotation] = [["typed-array", "Uint8Array"]]


def number(value: float) -> Lowered:
    """Write a float; whole ones as integers, as JavaScript does."""
    if math.isnan(value):
        return "NaN", NUMBER
    if math.isinf(value):
        return ("Infinity" if value > 0 else "-Infinity"), NUMBER
    if value == 0 and math.copysign(1, value) < 0:
        return "-0", NUMBER
    return _json_number(value), None


def _json_number(value: float) -> Any:
    """Give what msgspec writes as JavaScript would."""
    if value.is_integer() and abs(value) <= MAX_SAFE_INTEGER:
        return int(value)
    return float(value) if 1e-4 <= abs(value) < 1e15 else msgspec.Raw(number_text(value).encode())


def integer(value: int) -> Lowered:
    """Write an integer: a BigInt beyond what numbers hold."""
    if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
        return int(value), None
    return str(int(value)), BIGINT


def same_integer(value: int) -> Hashable:
    """Give what tells BigInts apart, which is their value; None for numbers."""
    return None if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER else ("bigint", int(value))


def date(value: JSDate) -> Lowered:
    """Write a Date that Python has no datetime for."""
    return (iso_text_of(value.milliseconds), DATE) if value.is_valid else (None, None)


def typed_array(value: TypedArray) -> Lowered:
    """Write the numbers of a typed array."""
    # Unlike elsewhere, superjson leaves -0, NaN and infinities to JSON, for which they are 0 and null.
    return [_json_item(item) for item in value], [["typed-array", value.kind]]


def _json_item(item: Any) -> Any:
    return _json_number(item + 0) if type(item) is float and math.isfinite(item) else item


_named_group: Final = re.compile(r"(\\.)|\(\?P(?:(<)|=(\w+)\))", re.DOTALL)
_JS_FLAGS: Final = {re.IGNORECASE: "i", re.MULTILINE: "m", re.DOTALL: "s"}


def pattern(value: re.Pattern[Any]) -> Lowered:
    """Write a pattern of Python's in JavaScript's syntax, as far as they are alike.

    Raises:
        ValueError: it matches bytes, or is a verbose one.
    """
    if not isinstance(value.pattern, str) or value.flags & re.VERBOSE:
        raise ValueError(f"The pattern {value.pattern!r} has no JavaScript form")
    source = _named_group.sub(_in_javascript, value.pattern)
    source = re.sub(r"(\\.)|/", lambda match: match[1] or r"\/", source, flags=re.DOTALL)
    flags = "".join(name for flag, name in _JS_FLAGS.items() if value.flags & flag)
    return f"/{source or '(?:)'}/{flags}", REGEXP


def _in_javascript(match: re.Match[str]) -> str:
    if match[1]:
        return match[1]
    return "(?<" if match[2] else rf"\k<{match[3]}>"


def text(value: str) -> Lowered:
    """Write an instance of a subclass of `str`."""
    return str.__str__(value), None


def scalar(value: Any) -> Lowered:
    """Write what msgspec has a text for, such as a UUID.

    Raises:
        TypeError: it has none.
    """
    return msgspec.to_builtins(value, enc_hook=refuse), None


def refuse(value: object) -> Any:
    """Say that there is no JSON for such a value.

    Raises:
        TypeError: always.
    """
    raise TypeError(f"A value of type {type(value).__name__} has no JSON form")
