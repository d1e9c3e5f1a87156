"""JSON text: whichever way it takes through the reader or the writer, the result is the same."""

import json
import re
from typing import Any, NoReturn

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tidewire_protocol.documents import DEEP_TEXT, DEPTH, deep_value, documents, texts
from tidewire_protocol.json_text import (
    MAX_DEEP_CHARACTERS,
    JSONSyntaxError,
    dumps,
    loads,
    number_text,
)

BEFORE = {
    "fast": "0",
    # msgspec refuses a lone surrogate, so the whole text is read again.
    "lenient": '"\\ud800"',
    "deep": DEEP_TEXT,
    "lenient, then deep": f'"\\ud800",{DEEP_TEXT}',
}
"""What stands before a text in an array, to send it down each way of the reader."""

# Every example takes a detour through `DEPTH` levels.
deep_settings = settings(max_examples=25)

ways = pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)


def read_by_python(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse)


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def same(left: object, right: object) -> bool:
    """Compare with types and signs: 1, 1.0 and True are three values, and so are 0.0 and -0.0."""
    return repr(left) == repr(right)


# ---------- reading


@ways
@deep_settings
@given(
    document=documents(surrogates=True),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 0, "\t", "\r "]),
)
def test_every_way_reads_what_python_reads(
    before: str, document: Any, ascii_only: bool, indent: int | str | None
) -> None:
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)

    assert same(loads(f"[{before},{text}]")[-1], read_by_python(text))


@ways
@deep_settings
@given(
    st.lists(
        st.sampled_from(
            [*'[]{},: \t\n"\\', "0", "1", "-", "+", ".", "e", "E5", "null", "true", '"a"', "\\u12", "\\ud83d"]
        ),
        max_size=8,
    )
)
def test_every_way_refuses_what_python_refuses(before: str, pieces: list[str]) -> None:
    text = "".join(pieces)
    try:
        expected = read_by_python(f"[0,{text}]")
    except ValueError:
        with pytest.raises(JSONSyntaxError):
            loads(f"[{before},{text}]")
    else:
        read = loads(f"[{before},{text}]")
        assert same(read[len(read) - len(expected) + 1 :], expected[1:])


@settings(max_examples=10)
@given(document=documents(surrogates=True))
def test_a_document_inside_deep_objects_is_read(document: Any) -> None:
    text = json.dumps(document)

    read = loads(' { "k" : ' * DEPTH + text + " } \n" * DEPTH)
    for _ in range(DEPTH):
        (read,) = read.values()

    assert same(read, read_by_python(text))


MALFORMED = [
    # ws-malformed-json
    "",
    " ",
    "not json",
    "{",
    '{"id":1',
    '{"id":1,}',
    "{'id':1}",
    "[1,]",
    '{"id":1}{"id":2}',
    '\ufeff{"id":1}',
    "// {}",
    "undefined",
    # ws-malformed-json-literals
    '{"id":NaN}',
    '{"id":Infinity}',
    '{"id":-Infinity}',
    '{"id":1,"method":"mutation","params":{"path":"echo","input":NaN}}',
    '{"id":01}',
    '{"id":+1}',
    '{"id":.5}',
    '{"id":1.}',
    '{"id":"a\nb"}',
    '{"id":"a\tb"}',
    '{"id":"\\x41"}',
    '{"id":0x10}',
    '{"id":1_000}',
    "True",
    '"\\ud83"',
    # ws-ping-lookalikes
    "ping",
    " PING",
    "PING\n",
    "PINGPING",
    # what else a hand-written reader may get wrong
    "[",
    "]",
    "[,]",
    "[1 2]",
    "[1x2]",
    "[1,",
    "{,}",
    '{"a"}',
    '{"a":}',
    '{"a" 1}',
    '{"a"x1}',
    '{"a\nb":1}',
    '{"a":1x"b":2}',
    '{xa":1}',
    '{"a":1,xb":2}',
    '{"a":1',
    '{"a":1 "b":2}',
    '{"a":1,',
    "{1:2}",
    "{a:1}",
    '{"a',
    '{"a":1]',
    "[1}",
    '"',
    '"\\',
    '"\\u00',
    '"a',
    "-",
    "1e",
    "1e+",
    "--1",
    "\u0661",  # a digit for Python, not for JSON
    "nul",
    "nulll",
    "\x0b1",
    "\xa01",
    "1\x00",
]


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_text_is_refused(text: str) -> None:
    with pytest.raises(JSONSyntaxError):
        loads(text)


@ways
@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_text_is_refused_behind_other_values(before: str, text: str) -> None:
    with pytest.raises(JSONSyntaxError):
        loads(f"[{before},{text}]")


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_the_refusal_names_the_constant(name: str) -> None:
    with pytest.raises(JSONSyntaxError, match=f"^Not valid JSON: {name} is not JSON$"):
        loads(name)


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        ("x", rf"unexpected character \(char {DEPTH}\)"),
        ("", "the text ends too early"),
        ('"a', r"Unterminated string .*"),
    ],
)
def test_the_refusal_of_deep_text_says_why(rest: str, reason: str) -> None:
    with pytest.raises(JSONSyntaxError, match=f"^Not valid JSON: {reason}$"):
        loads("[" * DEPTH + rest)


@ways
def test_text_after_the_document_is_refused(before: str) -> None:
    with pytest.raises(JSONSyntaxError):
        loads(f"[{before}] 1")


@ways
def test_the_last_of_duplicate_keys_wins(before: str) -> None:
    assert loads(f'[{before},{{"a":1,"b":2,"a":3}}]')[-1] == {"a": 3, "b": 2}


@ways
@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("9007199254740993", 9007199254740993),
        ("9" * 309, 10**309 - 1),
        ("-" + "9" * 309, 1 - 10**309),
        ("-0", 0),
        ("-0.0", -0.0),
        ("5e-324", 5e-324),
        ("1e400", float("inf")),
        ("-1e400", float("-inf")),
        ("9" * 5000, float("inf")),
        ("-" + "9" * 5000, float("-inf")),
        ("0." + "3" * 5000, 1 / 3),
    ],
)
def test_numbers_are_exact_or_infinite(before: str, text: str, number: float) -> None:
    read = loads(f"[{before},{text}]")[-1]

    assert same(read, number) or (abs(number) > 1e308 and read == number)


@ways
def test_a_surrogate_pair_is_one_character_and_a_lone_one_stays(before: str) -> None:
    read = loads(f'[{before},"\\ud83d\\ude00\\ud83d","\ud800"]')

    assert read[-2:] == ["\U0001f600\ud83d", "\ud800"]


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}"), (' [\n{"" :', "} ] ")])
def test_nesting_is_limited(begin: str, end: str) -> None:
    levels = 10_000 // (begin.count("[") + begin.count("{"))

    assert loads(begin * levels + "0" + end * levels)
    with pytest.raises(JSONSyntaxError, match=r"^Nested deeper than 10000 levels$"):
        loads(begin * (levels + 1) + "0" + end * (levels + 1))


# ---------- writing


@given(document=documents(surrogates=False))
def test_what_is_written_is_compact_utf_8_that_reads_the_same(document: Any) -> None:
    text = dumps(document).decode()

    assert same(read_by_python(text), document)
    assert len(text) <= len(json.dumps(document, ensure_ascii=False, separators=(",", ":")))


@given(document=documents(surrogates=True))
def test_lone_surrogates_are_written_as_escapes(document: Any) -> None:
    text = dumps(document).decode()

    assert same(read_by_python(text), read_by_python(json.dumps(document)))


@deep_settings
@given(document=documents(surrogates=False))
def test_every_way_writes_the_same_bytes(document: Any) -> None:
    assert dumps(["\ud800", document]) == b'["\\ud800",' + dumps(document) + b"]"
    assert dumps([deep_value(), document]) == b"[%s,%s]" % (DEEP_TEXT.encode(), dumps(document))
    assert dumps({"\ud800": 0, "d": document}) == b'{"\\ud800":0,"d":' + dumps(document) + b"}"


class Note(msgspec.Struct, tag="note"):
    text: str
    among: list["Note"] = []


@given(text=texts(surrogates=True))
def test_lone_surrogates_in_structs_are_written_as_escapes(text: str) -> None:
    read = read_by_python(dumps(Note(text, [Note(text)])).decode())

    inner = read_by_python(json.dumps({"type": "note", "text": text, "among": []}))
    assert read == {**inner, "among": [inner]}


@pytest.mark.parametrize("value", [{"\ud800"}, frozenset({"\ud800"}), ("\ud800",)])
def test_lone_surrogates_in_other_collections_are_written_as_escapes(value: object) -> None:
    assert dumps(value) == b'["\\ud800"]'


@pytest.mark.parametrize("beside", ["a", "\ud800"])
def test_keys_that_are_no_strings_are_written_as_msgspec_writes_them(beside: str) -> None:
    value = {1: beside, 2.5: 0, b"a": 0, "b": 0}

    written = dumps(value)

    assert list(read_by_python(written.decode())) == ["1", "2.5", "YQ==", "b"]


@pytest.mark.parametrize("beside", ["a", "\ud800"])
@pytest.mark.parametrize("key", [True, None, ('"',)])
def test_keys_that_have_no_json_form_are_refused(key: object, beside: str) -> None:
    with pytest.raises(TypeError):
        dumps([beside, {key: 0}])


@pytest.mark.parametrize("beside", ["a", "\ud800"])
def test_a_value_without_json_form_is_refused(beside: str) -> None:
    with pytest.raises(TypeError):
        dumps([beside, object()])


def test_not_a_number_is_null_either_way() -> None:
    assert dumps([float("nan"), float("-inf")]) == b"[null,null]"
    assert dumps([float("nan"), float("-inf"), "\ud800"]) == b'[null,null,"\\ud800"]'


def cyclic_list() -> object:
    value: list[Any] = [1]
    value.append(value)
    return value


def cyclic_dict() -> object:
    value: dict[str, Any] = {}
    value["a"] = [value]
    return value


def cyclic_tuple() -> object:
    inner: list[Any] = []
    inner.append((inner,))
    return (inner,)


def cyclic_struct() -> object:
    note = Note("")
    note.among.append(note)
    return note


@pytest.mark.parametrize("make", [cyclic_list, cyclic_dict, cyclic_tuple, cyclic_struct])
def test_a_value_that_contains_itself_is_refused(make: Any) -> None:
    with pytest.raises(ValueError, match="contains itself"):
        dumps(make())


def test_a_value_may_come_twice_if_it_does_not_contain_itself() -> None:
    twice = ["\ud800"]

    assert dumps([twice, {"a": twice}, twice]) == b'[["\\ud800"],{"a":["\\ud800"]},["\\ud800"]]'


# ---------- numbers

JAVASCRIPT = [
    ("0", "0"),
    ("-0", "0"),
    ("-0.0", "0"),
    ("1.0", "1"),
    ("-1", "-1"),
    ("1.5", "1.5"),
    ("-0.25", "-0.25"),
    ("100", "100"),
    ("1e2", "100"),
    ("1E+2", "100"),
    ("0.1", "0.1"),
    ("0.30000000000000004", "0.30000000000000004"),
    ("1e-6", "0.000001"),
    ("-1e-6", "-0.000001"),
    ("0.0000015", "0.0000015"),
    ("1e-7", "1e-7"),
    ("1.5e-7", "1.5e-7"),
    ("-1e-7", "-1e-7"),
    ("123e-20", "1.23e-18"),
    ("1e20", "100000000000000000000"),
    ("123456789012345680000", "123456789012345680000"),
    ("999999999999999900000", "999999999999999900000"),
    ("1e21", "1e+21"),
    ("1.5e21", "1.5e+21"),
    ("-1e21", "-1e+21"),
    ("1000000000000000100000", "1.0000000000000001e+21"),
    ("100000000000000000000000", "1e+23"),
    ("1e100", "1e+100"),
    ("5e-324", "5e-324"),
    ("2.2250738585072014e-308", "2.2250738585072014e-308"),
    ("1.7976931348623157e308", "1.7976931348623157e+308"),
    ("9007199254740991", "9007199254740991"),
    ("9007199254740993", "9007199254740992"),
    ("-9007199254740993", "-9007199254740992"),
    ("12345678901234567890", "12345678901234567000"),
    ("1e400", "null"),
    ("-1e400", "null"),
    ("9" * 400, "null"),
    ("-" + "9" * 400, "null"),
    ("9" * 5000, "null"),
]
"""A JSON text, and what `JSON.stringify(JSON.parse(text))` gives."""


@pytest.mark.parametrize(("text", "expected"), JAVASCRIPT)
def test_a_number_is_formatted_as_javascript_does(text: str, expected: str) -> None:
    assert number_text(loads(text)) == expected


def test_not_a_number_is_null() -> None:
    assert number_text(float("nan")) == "null"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_formatted_double_reads_as_the_same_double(double: float) -> None:
    text = number_text(double)

    assert float(text) == double
    assert re.fullmatch(r"-?(0|[1-9]\d*)(\.\d*[1-9])?(e[+-][1-9]\d*)?", text)


@given(st.integers(min_value=-(2**53), max_value=2**53))
def test_an_integer_up_to_2_53_is_formatted_exactly(integer: int) -> None:
    assert number_text(integer) == number_text(float(integer)) == str(integer)


def test_a_long_document_that_is_nested_deeply_is_refused_at_once() -> None:
    text = "[" * 3000 + "0," * MAX_DEEP_CHARACTERS + "0" + "]" * 3000
    with pytest.raises(
        JSONSyntaxError, match=r"^Nested too deeply for a document of more than \d+ characters$"
    ):
        loads(text)
