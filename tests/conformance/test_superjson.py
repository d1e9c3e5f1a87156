"""Payloads go to and from the real npm package, and mean the same on both sides."""

import json
import math
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any, Final, TypeVar

import pytest
from msgspec import UNSET

from tests.processes import CONFORMANCE
from tidewire_protocol.json_text import loads
from tidewire_protocol.superjson import (
    SUPERJSON,
    URL,
    BigInt,
    Circular,
    JSDate,
    JSError,
    JSMap,
    JSSet,
    RegExp,
    TypedArray,
    Uint8Array,
)

COUNT: Final = 2_500
DEPTH: Final = 4

T = TypeVar("T")
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def npm(node_modules: Path) -> Iterator[Ask]:
    """Asks `superjson.mjs`, which explains what."""
    with Popen(["node", "superjson.mjs"], cwd=CONFORMANCE, stdin=PIPE, stdout=PIPE, text=True) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def ask(op: str, **arguments: Any) -> dict[str, Any]:
            stdin.write(json.dumps({"op": op, **arguments}) + "\n")
            stdin.flush()
            answer: dict[str, Any] = json.loads(stdout.readline())
            return answer

        yield ask


def echo(payload: str) -> str:
    """What our side makes of a payload, as a procedure without types gives it back."""
    return SUPERJSON.encode(SUPERJSON.decode(loads(payload))).decode()


def test_what_npm_sends_is_sent_back_as_npm_itself_would(npm: Ask) -> None:
    payloads = npm("generate", seed=1, count=COUNT)["value"]
    assert len(payloads) == COUNT
    for payload in payloads:
        assert echo(payload) == npm("echo", payload=payload)["value"], payload


def test_what_npm_sends_means_the_same_when_it_comes_back(npm: Ask) -> None:
    # Shared values inside Sets, keys of Maps and Errors confuse superjson itself, which then
    # cannot read its own payload, or reads another value from the same one.
    understood = 0
    for payload in npm("generate", seed=2, count=COUNT, sharing=True)["value"]:
        returned = echo(payload)
        assert echo(returned) == returned, payload
        same = npm("same", payloads=[payload, payload])
        if same.get("value"):
            understood += 1
            assert npm("same", payloads=[payload, returned]) == {"value": True}, payload
    assert understood > COUNT * 0.95


def test_what_we_send_comes_back_from_npm_unchanged(npm: Ask) -> None:
    for seed in range(COUNT):
        value = Values(seed).value(DEPTH)
        payload = SUPERJSON.encode(value).decode()
        returned = npm("echo", payload=payload)
        assert returned == {"value": payload}
        decoded = SUPERJSON.decode(loads(returned["value"]))
        assert repr(decoded) == repr(value), payload


@pytest.mark.parametrize(
    "value",
    [
        (1, [UNSET], {"a": UNSET}),
        {3, 1.5},
        {"a"},
        {1: "one", 2: {"a": {1.5: None}}},
        {datetime(2024, 2, 29, tzinfo=UTC): 1},
        {},
        b"\x00\xff",
        2**53,
        -(2**80),
        JSSet([BigInt(1), 1, "1", True, None, UNSET]),
        [ValueError("no")],
        TypedArray("Float32Array", [0.5, 1e10]),
        JSDate(math.nan),
        [math.nan, math.nan],
        [BigInt(1), BigInt(1)],
    ],
    ids=repr,
)
def test_what_python_has_is_understood_by_npm(value: object, npm: Ask) -> None:
    payload = SUPERJSON.encode(value).decode()
    returned = npm("echo", payload=payload)["value"]
    assert npm("same", payloads=[payload, returned]) == {"value": True}
    assert echo(payload) == returned


BAD: Final = [
    "null",
    '{"json":{"a":1},"meta":{"values":{"a":["nothing"]},"v":1}}',
    '{"json":{"a":1},"meta":{"values":{"a":[null]},"v":1}}',
    '{"json":{"a":1},"meta":{"values":{"a":["toString"]},"v":1}}',
    '{"json":{"a":1},"meta":{"values":{"a":"Date"},"v":1}}',
    '{"json":{"a":1},"meta":{"values":{"a\\\\b":["Date"]},"v":1}}',
    '{"json":{"a":1},"meta":{"values":{"a\\\\":["Date"]},"v":1}}',
    '{"json":{"a":null},"meta":{"values":{"a":["bigint"]},"v":1}}',
    '{"json":{"a":1.5},"meta":{"values":{"a":["bigint"]},"v":1}}',
    '{"json":{"a":null},"meta":{"values":{"a":["Error"]},"v":1}}',
    '{"json":{"a":null},"meta":{"values":{"a":["regexp"]},"v":1}}',
    '{"json":{"a":"/a/gg"},"meta":{"values":{"a":["regexp"]},"v":1}}',
    '{"json":{"a":"/a/uv"},"meta":{"values":{"a":["regexp"]},"v":1}}',
    '{"json":{"a":"//x"},"meta":{"values":{"a":["URL"]},"v":1}}',
    '{"json":{"a":"http://"},"meta":{"values":{"a":["URL"]},"v":1}}',
    '{"json":{"a":[5]},"meta":{"values":{"a":["map"]},"v":1}}',
    '{"json":{"a":true},"meta":{"values":{"a":["set"]},"v":1}}',
    '{"json":{"a":[]},"meta":{"values":{"a":[["typed-array","BigInt64Array"]]},"v":1}}',
    '{"json":{"a":[1]},"meta":{"values":{"a":["set",{"7":["Date"]}],"a.9":["Date"]},"v":1}}',
    '{"json":{"a":{}},"meta":{"referentialEqualities":{"a":"b"},"v":1}}',
    '{"json":{"a":{}},"meta":{"referentialEqualities":{"x.y":["b"]},"v":1}}',
    '{"json":{"a":{}},"meta":{"referentialEqualities":{"a":["prototype"]},"v":1}}',
    '{"json":{"a":{}},"meta":{"referentialEqualities":[{}],"v":1}}',
]


@pytest.mark.parametrize("payload", BAD)
def test_what_npm_refuses_is_refused(payload: str, npm: Ask) -> None:
    assert "error" in npm("echo", payload=payload)
    with pytest.raises(ValueError, match=r"."):
        echo(payload)


ODD: Final = [
    '{"json":{"a":1},"meta":{"values":{"a":[]},"v":1}}',
    '{"json":{"a":1},"meta":{"values":[],"v":1}}',
    '{"json":{"a":null},"meta":{"values":{"a":["Date"]},"v":1}}',
    '{"json":{"a":true},"meta":{"values":{"a":["Date"]},"v":1}}',
    '{"json":{"a":{}},"meta":{"values":{"a":["Date"]},"v":1}}',
    '{"json":{"a":8.7e15},"meta":{"values":{"a":["Date"]},"v":1}}',
    '{"json":{"a":null},"meta":{"values":{"a":["number"]},"v":1}}',
    '{"json":{"a":false},"meta":{"values":{"a":["number"]},"v":1}}',
    '{"json":[" 1e3 ","","1_0","-0.0"],"meta":{"values":{"0":["number"],"1":["number"],"2":["number"]}}}',
    '{"json":[" +7 ","",true,1e3],"meta":{"values":{"0":["bigint"],"1":["bigint"],"2":["bigint"]}}}',
    '{"json":["-0.0",1e3],"meta":{"values":{"0":["number"],"1":["bigint"]},"v":1}}',
    '{"json":{"a":null,"b":null},"meta":{"values":{"a":["set"],"b":["map"]},"v":1}}',
    '{"json":[[],[1],[1,2,3]],"meta":{"values":["map"],"v":1}}',
    '{"json":[-0.0,0,"0"],"meta":{"values":["set"],"v":1}}',
    '{"json":{"a":[-1,256,1.7,"NaN",null]},"meta":{"values":{"a":[["typed-array","Uint8Array"]]},"v":1}}',
    '{"json":{"a":[-129,128,1e10]},"meta":{"values":{"a":[["typed-array","Int8Array"]]},"v":1}}',
    '{"json":{"a":[-1,256,2.5,3.5,"NaN"]},"meta":{"values":{"a":[["typed-array","Uint8ClampedArray"]]},"v":1}}',
    '{"json":{"a":[1e300,0.1,16777217,"Infinity"]},"meta":{"values":{"a":[["typed-array","Float32Array"]]},"v":1}}',
    '{"json":{"a":null},"meta":{"values":{"a":[["typed-array","Int16Array"]]},"v":1}}',
    '{"json":{"a":"//"},"meta":{"values":{"a":["regexp"]},"v":1}}',
    '{"json":{"a":"/x/yg"},"meta":{"values":{"a":["regexp"]},"v":1}}',
    '{"json":{"a":{}},"meta":{"values":{"a.b.c":["Date"],"a.b":["undefined"]},"v":1}}',
    '{"json":[1],"meta":{"values":{"1":["undefined"]},"v":1}}',
    '{"json":{"m":[["k","1"]]},"meta":{"values":{"m":["map"],"m.0.1":["bigint"]},"v":1}}',
    '{"json":{"a":1,"b":{"c":5}},"meta":{"referentialEqualities":{"b.c":["a","d"]},"v":1}}',
    '{"json":{"a":1},"meta":{"referentialEqualities":{"nothing":["a"]},"v":1}}',
    '{"json":{"a":{"b":1}},"meta":{"values":{"a":{"b":["Date"],"c":{}},"x":null},"v":1}}',
    '{"json":"x","meta":{"values":true,"referentialEqualities":[[]],"v":1}}',
    '{"json":"2024-02-29T12:34:56.789Z","meta":{"values":["Date",null],"v":0.5}}',
    '{"json":[1e21,1e-7,123456789012345680000,9007199254740993,1e400,0.000001],"meta":5}',
    '{"json":{"__proto__":{"x":1},"a":[{"__proto__":1,"b":2}]}}',
    '{"json":{"a\\\\b":"5"},"meta":{"values":{"a\\\\b":["bigint"]},"v":0}}',
    '{"json":{"a\\\\.b":"5"},"meta":{"values":{"a\\\\\\\\.b":["bigint"]},"v":null}}',
]


@pytest.mark.parametrize("payload", ODD)
def test_what_superjson_would_not_write_is_taken_as_npm_takes_it(payload: str, npm: Ask) -> None:
    assert npm("echo", payload=payload) == {"value": echo(payload)}


@pytest.mark.parametrize(
    "text",
    [
        "2024",
        "2024-02",
        "2024-02-29",
        "2024-02-30",
        "2024-02-32",
        "2024-13-01",
        "2024-02-29T24:00:00Z",
        "2024-02-29T24:00:00.001Z",
        "2024-02-29T12:60Z",
        "2024-02-29T12:34:60Z",
        "2024-02-29T12:34:56.7899999Z",
        "2024-02-29T12:34:56+05:30",
        "2024-02-29T12:34:56-0530",
        "2024-02-29T12:34:56-24:00",
        "2024-02-29T12Z",
        "+275760-09-13T00:00:00.000Z",
        "+275760-09-13T00:00:00.001Z",
        "-000001-01-01T00:00:00.000Z",
        "-000000-01-01T00:00:00Z",
        "0000-12-31T23:59:59.999Z",
        "0001-01-01T00:00:00.000Z",
        "+010000-01-01T00:00:00.000Z",
        "",
        "tomorrow",
    ],
)
def test_times_are_read_as_javascript_reads_them(text: str, npm: Ask) -> None:
    payload = json.dumps({"json": text, "meta": {"values": ["Date"], "v": 1}})
    assert npm("echo", payload=payload) == {"value": echo(payload)}


class Values:
    """Makes values as they arrive, so that they can be compared with what comes back."""

    KEYS: Final = (
        "a",
        "b",
        "ab",
        "",
        " ",
        "a.b",
        "a\\b",
        "\\",
        ".",
        "a\\.b",
        "01",
        "é",
        "😀",
        "\ud800",
        "json",
    )
    TEXTS: Final = (
        "",
        "x",
        "two words",
        '"\\/',
        "\u2028",
        "中文",
        "\udc00",
        "2024-02-29T12:34:56.789Z",
        "NaN",
    )
    NUMBERS: Final = (0, 1, -1, 1.5, 0.1, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, 2**53 - 1, 1e-5, 1e16)
    ODD_NUMBERS: Final = (math.inf, -math.inf, -0.0)
    URLS: Final = ("https://x.y/z?q=1#h", "http://127.0.0.1:8080/", "mailto:a@b.c", "data:,x")
    PATTERNS: Final = (("a", ""), ("a\\/b+", "gi"), ("(?:)", ""), ("[/]\\d+", "ms"), ("(?<n>x)\\k<n>", "u"))

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.made: list[Any] = []
        self.repeats = 0
        self.alone = False

    def value(self, depth: int) -> Any:
        if self.made and not self.alone and self.random.random() < 0.1:
            self.repeats += 1
            return self.random.choice(self.made)
        if depth <= 0 or self.random.random() < 0.4:
            return self.random.choice((self.scalar, self.number, self.leaf))()
        return self.random.choice((self.array, self.object, self.object, self.map, self.set, self.error))(
            depth
        )

    def scalar(self) -> Any:
        return self.random.choice((None, UNSET, True, False, *self.TEXTS))

    def number(self) -> Any:
        kind = self.random.randrange(4)
        if kind == 0:
            return BigInt(self.random.randrange(-(2**80), 2**80))
        if kind == 1 and not self.alone:
            # Equal ones are the same one for superjson.
            self.repeats += 1
            return BigInt(7)
        if kind == 2:
            return self.random.randrange(-(2**53) + 1, 2**53)
        return self.random.choice((*self.NUMBERS, *self.ODD_NUMBERS, self.random.random() / 3 + 1e-3))

    def leaf(self) -> Any:
        choice: Any = self.random.choice(
            (
                datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=self.random.randrange(2 * 10**12)),
                JSDate(self.random.randrange(-8_640_000_000_000_000, -62_135_596_800_000)),
                JSDate(self.random.randrange(253_402_300_800_000, 8_640_000_000_000_000)),
                URL(self.random.choice(self.URLS)),
                RegExp(*self.random.choice(self.PATTERNS)),
                Uint8Array(self.random.randbytes(self.random.randrange(4))),
                TypedArray("Int16Array", [self.random.randrange(-(2**15), 2**15), 0]),
                TypedArray("Float64Array", [1.5, 0.1]),
            )
        )
        self.keep(choice, self.repeats)
        return choice

    def items(self, depth: int) -> list[Any]:
        return [self.value(depth - 1) for _ in range(self.random.randrange(4))]

    def items_apart(self, depth: int) -> list[Any]:
        """Make what is nowhere else, as superjson loses that inside Sets and keys of Maps."""
        alone, self.alone = self.alone, True
        items = self.items(depth)
        self.alone = alone
        return items

    def array(self, depth: int) -> list[Any]:
        before = self.repeats
        return self.keep(self.items(depth), before)

    def object(self, depth: int) -> dict[str, Any]:
        before = self.repeats
        return self.keep({self.random.choice(self.KEYS): item for item in self.items(depth)}, before)

    def map(self, depth: int) -> JSMap:
        before = self.repeats
        keys = self.items_apart(depth)
        return self.keep(JSMap([key, self.value(depth - 1)] for key in keys), before)

    def set(self, depth: int) -> JSSet:
        elements = JSSet(self.items_apart(depth))
        elements.settle()
        return self.keep(elements, self.repeats)

    def error(self, depth: int) -> JSError:
        cause = [*self.items_apart(depth), UNSET][0]
        return self.keep(JSError("TypeError", self.random.choice(self.TEXTS), cause), self.repeats)

    def keep(self, value: T, before: int) -> T:
        """Let a value come again, unless it holds what came before: superjson loses that, too."""
        if not self.alone and self.repeats == before:
            self.made.append(value)
        return value


def test_a_circle_comes_back_from_npm_as_a_circle(npm: Ask) -> None:
    inner: dict[str, Any] = {"moment": datetime(2024, 2, 29, tzinfo=UTC)}
    value = {"inner": inner, "list": [inner]}
    inner["whole"] = value
    inner["self"] = inner
    payload = SUPERJSON.encode(value).decode()
    assert npm("echo", payload=payload) == {"value": payload}
    decoded = SUPERJSON.decode(loads(payload))
    assert isinstance(decoded, Circular)
    whole = decoded.value
    assert whole["list"][0] is whole["inner"]
    assert whole["inner"]["whole"] is whole
    assert whole["inner"]["self"] is whole["inner"]
