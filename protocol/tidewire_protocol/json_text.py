"""JSON text, read and written the way JavaScript does it.

msgspec does nearly all of the work. What it refuses and JavaScript allows is done here:
lone surrogates, numbers beyond a double's range, and deep nesting.

Source: reference transcripts `ws-malformed-json*`, `ws-unicode-*`, `ws-echo-*`, `ws-deep-*`.
"""

import json
import json.decoder
import json.encoder
import math
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final, NoReturn

import msgspec

MAX_DEPTH: Final = 10_000
"""Arrays and objects inside one another; more is refused, so that a frame costs bounded time."""

MAX_DEEP_CHARACTERS: Final = 64 * 1024
"""Of a document that is nested deeper than msgspec reads, about 1,000 levels. Such a document is read
by Python code, some ten microseconds for each value, during which nothing else happens."""

# Longer integers exceed what Python converts in linear time; a double cannot hold 310 digits.
_MAX_INTEGER_DIGITS: Final = 310

EXACT: Final = 1 << 53
"""Integers up to it are the same as doubles."""

# The standard library's own string scanner and writer; typeshed does not know the first.
_scan_string: Final[Callable[[str, int, bool], tuple[str, int]]] = json.decoder.scanstring  # type: ignore[attr-defined]
_quote: Final = json.encoder.encode_basestring

_decoder: Final = msgspec.json.Decoder()
_encoder: Final = msgspec.json.Encoder()


class JSONSyntaxError(ValueError):
    """The text is not JSON."""


def loads(text: str) -> Any:
    """Read one JSON document.

    Objects become dicts (the last of duplicate keys wins), integers stay exact, and numbers
    beyond a double's range become infinite.

    Raises:
        JSONSyntaxError: the text is not JSON, or nested deeper than `MAX_DEPTH`.
    """
    try:
        return _decoder.decode(text)
    except RecursionError:
        return _loads_deep(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return _loads_lenient(text)


def dumps(value: object) -> bytes:
    """Write builtins, and whatever else msgspec writes, as compact JSON.

    Raises:
        TypeError: a value that has no JSON form.
        ValueError: a value that contains itself.
    """
    try:
        return _encoder.encode(value)
    except (RecursionError, UnicodeEncodeError):
        return "".join(_write(value)).encode()


def number_text(number: int | float) -> str:
    """Format a number as JavaScript does: 1.0 is `1`, and 1e21 is `1e+21`.

    Integers beyond 2^53 lose their last digits, as they do in the browser, and what no double
    holds is `null`.
    """
    if type(number) is int and -EXACT <= number <= EXACT:
        return str(number)
    try:
        double = float(number)
    except OverflowError:
        return "null"
    if not math.isfinite(double):
        return "null"
    shortest = repr(double)
    if double == 0:
        return "0"
    if 1e-6 <= abs(double) < 1e21:
        return format(Decimal(shortest), "f").removesuffix(".0")
    mantissa, _, exponent = shortest.partition("e")
    return f"{mantissa}e{int(exponent):+d}"


# ---------- reading what msgspec refuses


def _loads_lenient(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_int=_parse_integer)
    except RecursionError:
        return _loads_deep(text)
    except ValueError as error:
        raise JSONSyntaxError(f"Not valid JSON: {error}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise JSONSyntaxError(f"{name} is not JSON")


def _parse_integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_INTEGER_DIGITS else float(digits)


_space: Final = re.compile(r"[ \t\n\r]*")
_scalar: Final = re.compile(
    r"(?P<number>-?(?:0|[1-9][0-9]*)(?P<part>(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?))|true|false|null"
)
_words: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}


def _loads_deep(text: str) -> Any:
    if len(text) > MAX_DEEP_CHARACTERS:
        raise JSONSyntaxError(
            f"Nested too deeply for a document of more than {MAX_DEEP_CHARACTERS} characters"
        )
    try:
        return _DeepReader(text).read()
    except IndexError:
        raise JSONSyntaxError("Not valid JSON: the text ends too early") from None
    except json.JSONDecodeError as error:
        raise JSONSyntaxError(f"Not valid JSON: {error}") from None


class _DeepReader:
    """A JSON parser whose stack is a list, so that only `MAX_DEPTH` bounds the nesting."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.open: list[tuple[list[Any] | dict[str, Any], str]] = []

    def read(self) -> Any:
        self.skip_space()
        while True:
            value = self.read_value()
            if value is _OPENED:
                continue
            while self.open:
                value = self.close_with(value)
                if value is _OPENED:
                    break
            else:
                if self.at != len(self.text):
                    self.fail()
                return value

    def read_value(self) -> Any:
        """Read a scalar or an empty container, or open one and return `_OPENED`."""
        char = self.text[self.at]
        if char == "[":
            self.step()
            if self.text[self.at] == "]":
                return self.stepped([])
            return self.push([], "")
        if char == "{":
            self.step()
            if self.text[self.at] == "}":
                return self.stepped({})
            return self.push({}, self.read_key())
        if char == '"':
            value, self.at = _scan_string(self.text, self.at + 1, True)
            self.skip_space()
            return value
        return self.read_scalar()

    def read_scalar(self) -> Any:
        match = _scalar.match(self.text, self.at)
        if match is None:
            self.fail()
        self.at = match.end()
        self.skip_space()
        if match["number"] is None:
            return _words[match[0]]
        return float(match[0]) if match["part"] else _parse_integer(match[0])

    def read_key(self) -> str:
        if self.text[self.at] != '"':
            self.fail()
        key, self.at = _scan_string(self.text, self.at + 1, True)
        self.skip_space()
        if self.text[self.at] != ":":
            self.fail()
        self.step()
        return key

    def push(self, container: list[Any] | dict[str, Any], key: str) -> object:
        if len(self.open) == MAX_DEPTH:
            raise JSONSyntaxError(f"Nested deeper than {MAX_DEPTH} levels")
        self.open.append((container, key))
        return _OPENED

    def close_with(self, value: object) -> Any:
        """Put `value` into the innermost container; give that container back if it ends here."""
        container, key = self.open.pop()
        if isinstance(container, list):
            container.append(value)
            end = "]"
        else:
            container[key] = value
            end = "}"
        char = self.text[self.at]
        if char == end:
            return self.stepped(container)
        if char != ",":
            self.fail()
        self.step()
        return self.push(container, "" if end == "]" else self.read_key())

    def stepped(self, value: Any) -> Any:
        self.step()
        return value

    def step(self) -> None:
        self.at += 1
        self.skip_space()

    def skip_space(self) -> None:
        match = _space.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def fail(self) -> NoReturn:
        raise JSONSyntaxError(f"Not valid JSON: unexpected character (char {self.at})")


_OPENED: Final = object()

# ---------- writing what msgspec refuses

_surrogate: Final = re.compile("[\ud800-\udfff]")


def _write(root: object) -> Iterator[str]:
    """Yield the pieces of the text; the stack is a list, as in `_DeepReader`."""
    stack: list[tuple[Iterator[Any], str, int]] = []
    path: set[int] = set()
    value = root
    while True:
        if isinstance(value, (list, tuple, dict)):
            if id(value) in path:
                raise ValueError("A value that contains itself has no JSON form")
            path.add(id(value))
            yield "{" if isinstance(value, dict) else "["
            members = iter(value.items()) if isinstance(value, dict) else iter(value)
            stack.append((members, "}" if isinstance(value, dict) else "]", id(value)))
            separator = ""
        else:
            yield _write_scalar(value)
            separator = ","
        while stack:
            members, end, identity = stack[-1]
            try:
                value = next(members)
            except StopIteration:
                yield end
                path.discard(identity)
                stack.pop()
                separator = ","
                continue
            yield separator
            if end == "}":
                key, value = value
                yield _write_key(key)
            break
        else:
            return


def _write_key(key: object) -> str:
    if isinstance(key, str):
        return _write_string(key) + ":"
    return _encoder.encode({key: 0}).decode()[1:-2]


def _write_scalar(value: object) -> str:
    """Write what is no builtin container: for msgspec a Struct is one piece."""
    if isinstance(value, str):
        return _write_string(value)
    try:
        return _encoder.encode(value).decode()
    except UnicodeEncodeError:
        return "".join(_write(msgspec.to_builtins(value)))
    except RecursionError:
        name = type(value).__name__
        raise ValueError(f"A {name} nested too deeply, or that contains itself, has no JSON form") from None


def _write_string(text: str) -> str:
    return _surrogate.sub(lambda match: f"\\u{ord(match[0]):04x}", _quote(text))
