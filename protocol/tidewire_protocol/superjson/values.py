"""What JavaScript has and Python has not, so that it comes back as it was sent."""

import math
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import UNSET

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""Up to here a number of JavaScript is exact, in either direction."""

TypedArrayKind = Literal[
    "Int8Array",
    "Uint8Array",
    "Int16Array",
    "Uint16Array",
    "Int32Array",
    "Uint32Array",
    "Float32Array",
    "Float64Array",
    "Uint8ClampedArray",
]
TYPED_ARRAY_KINDS: Final[Mapping[str, TypedArrayKind]] = {kind: kind for kind in get_args(TypedArrayKind)}


class BigInt(int):
    """An integer that is a BigInt in JavaScript, however small it is."""


class Uint8Array(bytes):
    """The bytes of a Uint8Array."""


class TypedArray(list[float]):
    """The numbers of any other typed array."""

    def __init__(self, kind: TypedArrayKind, items: Iterable[float] = ()) -> None:
        super().__init__(items)
        self.kind: TypedArrayKind = kind

    def __repr__(self) -> str:
        return f"TypedArray({self.kind!r}, {super().__repr__()})"


_SCHEME: Final = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
_HOST: Final = re.compile(r"[/\\]*[^/\\?#\s]+(?:[/\\?#].*)?", re.DOTALL)
_SCHEMES_WITH_HOST: Final = frozenset({"http", "https", "ws", "wss", "ftp"})


class URL(str):
    """An absolute URL, as text.

    Raises:
        ValueError: JavaScript's `new URL` would not take it.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> "URL":
        scheme = _SCHEME.match(text)
        if scheme is None or (
            scheme[1].lower() in _SCHEMES_WITH_HOST and not _HOST.fullmatch(text, scheme.end())
        ):
            raise ValueError("Invalid URL")
        return super().__new__(cls, text)


class JSDate(msgspec.Struct, frozen=True):
    """A Date that Python's datetime cannot hold: an invalid one, or one before year 1 or after 9999."""

    milliseconds: float
    """Since 1970 in UTC; NaN for an invalid Date."""

    @property
    def is_valid(self) -> bool:
        """Whether it is a time at all."""
        return not math.isnan(self.milliseconds)


_FLAGS: Final = "dgimsuvy"
_PYTHON_FLAGS: Final = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}


class RegExp(msgspec.Struct, frozen=True):
    """A regular expression of JavaScript: what is between the slashes, and the flags after them.

    Raises:
        ValueError: flags that JavaScript does not have.
    """

    source: str
    flags: str = ""

    def __post_init__(self) -> None:
        unknown = set(self.flags) - set(_FLAGS) or len(set(self.flags)) < len(self.flags)
        if unknown or {"u", "v"} <= set(self.flags):
            raise ValueError(f"Invalid flags supplied to RegExp constructor '{self.flags}'")

    def compile(self) -> re.Pattern[str]:
        """Make Python's pattern of it, which is right where the two languages agree.

        The flags d, g, u, v and y have no counterpart and are left out. A pattern from a client
        can take for ever to match: never run it unless the client is trusted.

        Raises:
            re.error: Python does not understand it.
        """
        flags = re.NOFLAG
        for flag in self.flags:
            flags |= _PYTHON_FLAGS.get(flag, re.NOFLAG)
        return re.compile(self.source, flags)


class JSError(Exception):
    """An Error that was sent as a value. It can be raised, and was not."""

    def __init__(self, name: str, message: str, cause: Any = UNSET) -> None:
        super().__init__(message)
        self.name = name
        self.message = message
        self.cause = cause

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, JSError):
            return NotImplemented
        return (self.name, self.message, self.cause) == (other.name, other.message, other.cause)

    def __hash__(self) -> int:
        return hash((self.name, self.message))

    def __repr__(self) -> str:
        return f"JSError({self.name!r}, {self.message!r}, {self.cause!r})"


class JSSet(list[Any]):
    """The elements of a Set in their order: a list, for Python's sets do not hold lists and dicts.

    Nothing keeps it free of duplicates when it is changed.
    """

    def settle(self) -> None:
        """Leave out what is there before, as `new Set` does."""
        found: dict[Hashable, Any] = {}
        for item in self:
            found.setdefault(same_value_key(item), unsigned_zero(item))
        self[:] = found.values()

    def __repr__(self) -> str:
        return f"JSSet({super().__repr__()})"


class JSMap(MutableMapping[Any, Any]):
    """A Map: keys of any kind, in their order, and told apart as JavaScript does.

    1, "1", True and BigInt(1) are four keys; a list, a dict or a time is found by itself only,
    not by one that equals it.
    """

    def __init__(self, entries: Iterable[Iterable[Any]] = ()) -> None:
        self._entries: dict[Hashable, list[Any]] = {}
        for key, value in entries:
            self[key] = value

    def __getitem__(self, key: Any) -> Any:
        try:
            return self._entries[same_value_key(key)][1]
        except KeyError:
            raise KeyError(key) from None

    def __setitem__(self, key: Any, value: Any) -> None:
        self._entries.setdefault(same_value_key(key), [unsigned_zero(key), value])[1] = value

    def __delitem__(self, key: Any) -> None:
        try:
            del self._entries[same_value_key(key)]
        except KeyError:
            raise KeyError(key) from None

    def __iter__(self) -> Iterator[Any]:
        return (key for key, _ in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, JSMap):
            return NotImplemented
        return list(self._entries.values()) == list(other._entries.values())

    __hash__ = None  # type: ignore[assignment]  # as a dict, which can be changed

    def __repr__(self) -> str:
        return f"JSMap({list(self._entries.values())!r})"

    @classmethod
    def unsettled(cls, rows: Iterable[list[Any]]) -> "JSMap":
        """Take pairs whose keys may still change, and may be equal until then."""
        unsettled = cls()
        unsettled._entries = dict(enumerate(rows))
        return unsettled

    def rows(self) -> list[list[Any]]:
        """Give the pairs themselves, each of which may be changed until the Map is settled."""
        return list(self._entries.values())

    def settle(self) -> None:
        """Find values by their keys from now on."""
        rows = self.rows()
        self._entries = {}
        for key, value in rows:
            self[key] = value


class Circular(msgspec.Struct, frozen=True, eq=False):
    """A value from a client that contains itself.

    It is set apart because code that walks it without looking out would never come to an end.
    """

    value: Any


VALUE_TYPES: Final = (BigInt, Uint8Array, TypedArray, URL, JSDate, RegExp, JSError, JSSet, JSMap, Circular)
"""Every type above."""


def unsigned_zero(value: Any) -> Any:
    """Give 0 for -0, as Sets and the keys of Maps do."""
    return 0 if type(value) is float and value == 0 else value


def same_value_key(value: Any) -> Hashable:
    """Give what two values have in common exactly if a Set or a Map takes them for the same."""
    match value:
        case None:
            return None
        case bool():
            return ("boolean", value)
        case BigInt():
            return ("bigint", int(value))
        case float() if math.isnan(value):
            return ("number", "NaN")
        case int() | float():
            return ("number", value)
        case str() if not isinstance(value, URL):
            return str(value)
        case _:
            return UNSET if value is UNSET else ("object", id(value))


def without_undefined(value: Any) -> Any:
    """Give a copy of `value` in which properties that are undefined are absent.

    That is what they mean to a procedure with types, and to `msgspec.convert`, which finds no
    type that UNSET has.

    Raises:
        RecursionError: deeper than Python goes.
    """
    if type(value) is dict:
        return {key: without_undefined(item) for key, item in value.items() if item is not UNSET}
    if type(value) is list or type(value) is JSSet:
        return type(value)(map(without_undefined, value))
    if type(value) is JSMap:
        return JSMap((key, without_undefined(item)) for key, item in value.items())
    return value
