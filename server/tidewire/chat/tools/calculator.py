"""The tool that calculates, safe with whatever a model or its user puts into it."""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, TypeVar

import simpleeval  # type: ignore[import-untyped]  # It ships no types.
from msgspec import Meta

from .errors import ToolError
from .tool import tool

Number = int | float
K = TypeVar("K")

MAX_CHARACTERS: Final = 500
MAX_BITS: Final = 4096
"""Of any integer on the way; some 1,200 digits. Python itself refuses to print more than 4,300."""
MAX_EXACT_IN_JSON: Final = 2**53 - 1
"""JSON readers with doubles, every browser among them, round integers above."""

_TOO_LARGE: Final = "The result is too large."
_UNREADABLE: Final = (
    "The expression cannot be read. Use decimal numbers, + - * / // % **, parentheses, and functions;"
    " write every multiplication with *."
)
_NO_SEPARATORS: Final = "Write numbers without thousands separators: 1000, not 1,000."
_SPELLINGS: Final = str.maketrans({"^": "**", "×": "*", "·": "*", "÷": "/", "−": "-"})  # noqa: RUF001
# Everything Python's parser gets to see. It leaves no way to write strings, attributes, brackets,
# assignments or other languages' digits, and keeps the parser from warning about `1or 2`.
_TOKEN: Final = re.compile(
    r"(?:0|[1-9]\d*)(?:\.\d*)?(?:e[+-]?\d+)?(?![\w.]) | \.\d+(?:e[+-]?\d+)?(?![\w.])"
    r"| [a-z][a-z0-9]* | [-+*/%(),\s]",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
_THOUSANDS: Final = re.compile(r"\d,\d{3}(?!\d)", re.ASCII)
_NODES: Final = (
    ast.Expression,
    ast.BinOp,
    ast.UnaryOp,
    ast.Call,
    ast.Name,
    ast.Constant,
    ast.Load,
    ast.operator,
    ast.unaryop,
)


@tool
async def calculate(
    expression: Annotated[
        str,
        Meta(
            description="Numbers, + - * / // % ** (^ is a power too), parentheses, the constants pi and e,"
            " and abs, acos, asin, atan, ceil, cos, degrees, exp, floor, ln, log(x, base), log10, log2,"
            " max, min, radians, round, sin, sqrt, tan (angles in radians). No thousands separators;"
            " at most 500 characters."
        ),
    ],
) -> int | float | str:
    """Calculate an arithmetic expression such as (2 + 3) * sqrt(16).

    Integers beyond 2**53 - 1 come as their digits, in a string.

    Raises:
        ToolError: the expression is no arithmetic, or its result is no number of a sane size.
    """
    return _answer(evaluate(expression))


def evaluate(expression: str) -> Number:
    """The value of `expression`, in bounded time and memory.

    Raises:
        ToolError: for anything but arithmetic with a finite real result.
    """
    tree = _parse(expression)
    evaluator: Any = simpleeval.SimpleEval(operators=_OPERATORS, functions=_FUNCTIONS, names=_CONSTANTS)
    try:
        return _number(evaluator.eval(expression, previously_parsed=tree.body))
    except simpleeval.NameNotDefined as error:
        raise ToolError(f"There is no {error.name}; the constants are pi and e.") from error
    except simpleeval.FunctionNotDefined as error:
        raise ToolError(
            f"There is no function {error.func_name}; there are {', '.join(_FUNCTIONS)}."
        ) from error
    except ZeroDivisionError as error:
        raise ToolError("That divides by zero.") from error
    except OverflowError as error:
        raise ToolError(_TOO_LARGE) from error
    except ValueError as error:
        raise ToolError("A function has no real result for that value.") from error
    except TypeError as error:
        raise ToolError("A function was given the wrong number or kind of arguments.") from error
    except (simpleeval.InvalidExpression, RecursionError) as error:
        raise _unreadable(expression) from error


def _parse(expression: str) -> ast.Expression:
    if len(expression) > MAX_CHARACTERS:
        raise ToolError(f"The expression is longer than {MAX_CHARACTERS} characters.")
    text = " ".join(expression.translate(_SPELLINGS).split())
    if _TOKEN.sub("", text):
        raise _unreadable(text)
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, MemoryError, RecursionError) as error:
        # MemoryError is how the parser says "nested too deeply".
        raise _unreadable(text) from error
    for node in ast.walk(tree):
        if not isinstance(node, _NODES):
            raise _unreadable(text)
        if isinstance(node, ast.Constant):
            _number(node.value)
    return tree


def _unreadable(text: str) -> ToolError:
    return ToolError(_NO_SEPARATORS if _THOUSANDS.search(text) else _UNREADABLE)


def _number(value: Any) -> Number:
    """`value`, if it is a number worth going on with."""
    if type(value) is int and value.bit_length() <= MAX_BITS:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) in (int, float):
        raise ToolError(_TOO_LARGE)
    raise ToolError("The result is not a real number.")


def _answer(value: Number) -> int | float | str:
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= MAX_EXACT_IN_JSON else value
    return value if abs(value) <= MAX_EXACT_IN_JSON else str(value)


def _divide(dividend: Number, divisor: Number) -> Number:
    return dividend / divisor


def _divide_down(dividend: Number, divisor: Number) -> Number:
    return dividend // divisor


def _power(base: Number, exponent: Number) -> Any:
    # What the result needs at least; checked first because computing it is what takes the memory.
    if isinstance(base, int) and isinstance(exponent, int) and (base.bit_length() - 1) * exponent > MAX_BITS:
        raise ToolError(_TOO_LARGE)
    result = base**exponent
    if result == 0 and base != 0:
        raise ToolError("The result is too small.")
    return result


def _round(value: Number, digits: int = 0) -> Number:
    # Rounding an integer to -n digits computes 10**n.
    if abs(digits) > 300:
        raise ToolError("Numbers can be rounded to at most 300 digits.")
    return round(value, digits)


def _checked(functions: Mapping[K, Callable[..., Any]]) -> Mapping[K, Callable[..., Number]]:
    def check(function: Callable[..., Any]) -> Callable[..., Number]:
        return lambda *operands: _number(function(*operands))

    return {key: check(function) for key, function in functions.items()}


_OPERATORS: Final = _checked(
    {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: _divide,
        ast.FloorDiv: _divide_down,
        ast.Mod: operator.mod,
        ast.Pow: _power,
        ast.UAdd: operator.pos,
        ast.USub: operator.neg,
    }
)
_FUNCTIONS: Final = _checked(
    {
        "abs": abs,
        "acos": math.acos,
        "asin": math.asin,
        "atan": math.atan,
        "ceil": math.ceil,
        "cos": math.cos,
        "degrees": math.degrees,
        "exp": math.exp,
        "floor": math.floor,
        "ln": math.log,
        "log": math.log,
        "log10": math.log10,
        "log2": math.log2,
        "max": max,
        "min": min,
        "radians": math.radians,
        "round": _round,
        "sin": math.sin,
        "sqrt": math.sqrt,
        "tan": math.tan,
    }
)
_CONSTANTS: Final[Mapping[str, Number]] = {"pi": math.pi, "e": math.e}
