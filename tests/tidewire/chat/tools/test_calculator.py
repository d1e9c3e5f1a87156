"""The calculator: right, and unmoved by whatever it is given."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewire.chat.tools import ToolError, calculate
from tidewire.chat.tools.calculator import evaluate

CPU_SECONDS = 0.5  # Far above the milliseconds it takes, far below what any of these could take.


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("2 + 3 * 4", 14),
        ("(2 + 3) * sqrt(16)", 20),
        ("7 / 2", 3.5),
        ("6 / 3", 2),
        ("-7 // 2", -4),
        ("-7 % 3", 2),
        ("2 ** 10", 1024),
        ("2 ^ 10", 1024),
        ("2 ** -1", 0.5),
        ("-2 ** 2", -4),
        ("+.5 + 1.", 1.5),
        ("6 × 4 ÷ 3 − 1 · 2", 6),  # noqa: RUF001 - signs that models write
        ("0.1 + 0.2", 0.30000000000000004),
        ("-0.0", 0),
        ("1.5e3", 1500),
        ("1e300", 1e300),
        ("(1\n+ 2)", 3),
        ("round(2.675, 2)", 2.67),
        ("round(1234, -2)", 1200),
        ("max(1, 200, 3) - min(4, 5)", 196),
        ("floor(2.7) + ceil(2.1) + abs(-1)", 6),
        ("log(8, 2) + ln(e) + log10(100) + log2(4)", 8),
        ("degrees(pi) + radians(0) + exp(0)", 181),
        ("sin(0) + cos(0) + tan(0)", 1),
        ("asin(0) + acos(1) + atan(0)", 0),
        ("2 ** 53 - 1", 9007199254740991),
        ("2 ** 53", "9007199254740992"),
        ("-(2 ** 64)", "-18446744073709551616"),
        ("10 ** 400 / 10 ** 399", 10),
        ("(-1) ** 10 ** 300", 1),
        ("1+" * 249 + "1", 250),
        ("(" * 100 + "1" + ")" * 100, 1),
    ],
)
async def test_arithmetic_has_its_result(expression: str, result: float | str) -> None:
    calculated = await calculate(expression)

    assert calculated == result
    assert type(calculated) is type(result)


UNREADABLE = "The expression cannot be read."
TOO_LARGE = "The result is too large."


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("9**9**9", TOO_LARGE),
        ("9.9**9**9", TOO_LARGE),
        ("(9**9999)**9999", TOO_LARGE),
        ("10**10**10", TOO_LARGE),
        ("2**4096", TOO_LARGE),
        ("(9**500)*" * 40 + "1", TOO_LARGE),
        ("1e999", TOO_LARGE),
        ("1e308*10", TOO_LARGE),
        ("10**400/3", TOO_LARGE),
        ("sin(10**400)", TOO_LARGE),
        ("exp(1000)", TOO_LARGE),
        ("2**-99999999", "The result is too small."),
        ("round(1, -100000000)", "Numbers can be rounded to at most 300 digits."),
        ("9" * 501, "The expression is longer than 500 characters."),
        ("1/0", "That divides by zero."),
        ("1//0", "That divides by zero."),
        ("1%0", "That divides by zero."),
        ("0**-1", "That divides by zero."),
        ("(-1)**0.5", "The result is not a real number."),
        ("abs", "The result is not a real number."),
        ("True + 1", "The result is not a real number."),
        ("None", "The result is not a real number."),
        ("sqrt(-1)", "A function has no real result for that value."),
        ("log(0)", "A function has no real result for that value."),
        ("max()", "A function was given the wrong number or kind of arguments."),
        ("max(abs)", "A function was given the wrong number or kind of arguments."),
        ("abs(1, 2)", "A function was given the wrong number or kind of arguments."),
        ("round(1, 0.5)", "A function was given the wrong number or kind of arguments."),
        ("nan", "There is no nan; the constants are pi and e."),
        ("inf", "There is no inf; the constants are pi and e."),
        ("eval(1)", "There is no function eval; there are abs, acos,"),
        ("1,000 + 1", "Write numbers without thousands separators"),
        ("1,234 + 1", "Write numbers without thousands separators"),
        ("max(1,000, 2)", "Write numbers without thousands separators"),
        ("1, 2", UNREADABLE),
        ("", UNREADABLE),
        (" ", UNREADABLE),
        ("1\n2", UNREADABLE),
        ("1;2", UNREADABLE),
        ("1 +", UNREADABLE),
        ("20%", UNREADABLE),
        ("2 pi", UNREADABLE),
        ("2pi", UNREADABLE),
        ("007", UNREADABLE),
        ("0xFF", UNREADABLE),
        ("1_000", UNREADABLE),
        ("1j", UNREADABLE),
        ("1or 2", UNREADABLE),
        ("1 or 2", UNREADABLE),
        ("not 1", UNREADABLE),
        ("1 is 1", UNREADABLE),
        ("1 < 2", UNREADABLE),
        ("1 << 2", UNREADABLE),
        ("~1", UNREADABLE),
        ("1 @ 2", UNREADABLE),
        ("1 if 2 else 3", UNREADABLE),
        ("１+１", UNREADABLE),  # noqa: RUF001 - digits of another script
        ("1\x002", UNREADABLE),
        ("\ud800", UNREADABLE),
        ("'a' * 9", UNREADABLE),
        ("f'{1}'", UNREADABLE),
        ("[1]", UNREADABLE),
        ("{1}", UNREADABLE),
        ("x = 1", UNREADABLE),
        ("(x := 1)", UNREADABLE),
        ("lambda x: 1", UNREADABLE),
        ("(x for x in y)", UNREADABLE),
        ("max(x for x in y)", UNREADABLE),
        ("max(*2)", UNREADABLE),
        ("max(**2)", UNREADABLE),
        ("max(1, 2, key=abs)", UNREADABLE),
        ("pi.real", UNREADABLE),
        ("1 .real", UNREADABLE),
        ("abs(1)(2)", UNREADABLE),
        ("__import__('os')", UNREADABLE),
        ("yield 1", UNREADABLE),
        ("await e", UNREADABLE),
        ("-" * 499 + "1", UNREADABLE),
        ("(" * 245 + "1" + ")" * 245, UNREADABLE),
        ("(" * 500, UNREADABLE),
        ("abs(" * 124, UNREADABLE),
        ("((1," * 124, UNREADABLE),
    ],
)
async def test_anything_else_is_an_error_in_words_at_once(expression: str, problem: str) -> None:
    started = time.process_time()
    with pytest.raises(ToolError) as refused:
        await calculate(expression)

    assert time.process_time() - started < CPU_SECONDS
    assert str(refused.value).startswith(problem)


def answers_or_refuses(expression: str) -> None:
    try:
        value = evaluate(expression)
    except ToolError:
        return
    assert type(value) in (int, float)
    assert math.isfinite(value) if isinstance(value, float) else value.bit_length() <= 4096


@given(st.text(max_size=600))
def test_no_text_raises_anything_but_a_tool_error(expression: str) -> None:
    answers_or_refuses(expression)


SIGNS = "190(),+-*/%^._'[]{}:=#\\ \n"
PIECES = (*SIGNS, "**", "//", ".5", "1e9", "pi", "abs(", "round(", "max(", "log(", "if ", "for ", "in ")


@given(st.lists(st.sampled_from(PIECES), max_size=120).map("".join))
def test_no_likeness_of_an_expression_raises_anything_but_a_tool_error(expression: str) -> None:
    answers_or_refuses(expression)


@given(
    st.recursive(
        st.integers(-(10**9), 10**9).map(str) | st.sampled_from(["pi", "e", "0.5", "1e200"]),
        lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "**"]), inner).map(
            lambda operation: "({}{}{})".format(*operation)
        ),
        max_leaves=40,
    )
)
def test_no_arithmetic_raises_anything_but_a_tool_error(expression: str) -> None:
    answers_or_refuses(expression)


@given(st.integers(), st.integers(), st.sampled_from(["+", "-", "*"]))
def test_whole_numbers_are_exact(left: int, right: int, sign: str) -> None:
    expected = {"+": left + right, "-": left - right, "*": left * right}[sign]

    assert evaluate(f"({left}) {sign} ({right})") == expected


def test_the_model_is_told_of_every_function() -> None:
    told: str = calculate.parameters["properties"]["expression"]["description"]
    with pytest.raises(ToolError) as refused:
        evaluate("unknown(1)")
    existing = str(refused.value).split("there are ")[1].rstrip(".").split(", ")

    assert len(existing) > 10
    assert [name for name in existing if name not in told] == []
