"""Environment variables: from text to a checked value, or to a sentence that says what is wrong."""

from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from dotenv import dotenv_values
from msgspec import inspect

OURS: Final = "TIDEWIRE_"

ALIKE: Final = 0.8
"""Of 1: two letters that changed places are 0.8 in a name of five, and more in longer ones."""


class SettingsError(ValueError):
    """A variable has a wrong value or name; the sentence names it and says what is allowed."""


class Variable(NamedTuple):
    """One environment variable, for documentation."""

    name: str
    allowed: str
    """What it may be, as the end of a sentence."""
    default: str
    """Empty where there is none."""
    description: str


def read_dotenv(path: Path) -> dict[str, str]:
    """The variables in a `.env` file; none if there is no file.

    Raises:
        SettingsError: the file cannot be read.
    """
    try:
        # Without interpolation: a password with a $ in it means what it says.
        pairs = dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read as UTF-8 text.") from error
    return {name: value for name, value in pairs.items() if value is not None}


def meant_by(name: str, known: Collection[str]) -> str | None:
    """The variable that `name` is a slip of, if it looks like one.

    Other names are left alone: Kubernetes has variables such as TIDEWIRE_PORT for a service of this name.
    """
    if name in known or not name.startswith(OURS):
        return None
    ends = [each.removeprefix(OURS) for each in known if each.startswith(OURS)]
    alike = get_close_matches(name.removeprefix(OURS), ends, n=1, cutoff=ALIKE)
    return OURS + alike[0] if alike else None


def convert(text: str, field: inspect.Field, hint: Any) -> Any:
    """Read a variable's text as the type of its field; lists are separated by commas.

    Raises:
        SettingsError: naming the variable, never repeating the text.
    """
    value: object = text
    if isinstance(bare(field.type), inspect.VarTupleType):
        value = [item.strip() for item in text.split(",") if item.strip()]
    elif isinstance(bare(field.type), inspect.LiteralType):
        value = text.lower()
    try:
        return msgspec.convert(value, hint, strict=False)
    except msgspec.ValidationError:
        # Without its cause, which may repeat the text, and with it a secret.
        raise SettingsError(f"{field.encode_name} must be {allowed(field.type)}.") from None


def describe(field: inspect.Field) -> Variable:
    """What documentation says about a field; its annotation must have a description."""
    text = str(annotation(field.type)["description"])
    return Variable(field.encode_name, allowed(field.type), default_text(field.default), text)


def allowed(kind: inspect.Type) -> str:
    if title := annotation(kind).get("title"):
        return str(title)
    match bare(kind):
        case inspect.IntType(ge=low, le=high):
            return f"a whole number from {low} to {high}"
        case inspect.FloatType(ge=low, le=high):
            return f"a number from {low} to {high}"
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
        case inspect.VarTupleType():
            return "a comma-separated list"
        case _:
            return "text"


def default_text(default: object) -> str:
    match default:
        case None | ():
            return ""
        case float():
            return f"{default:g}"
        case _:
            return str(default)


def annotation(kind: inspect.Type) -> dict[str, Any]:
    if not isinstance(kind, inspect.Metadata):
        return {}
    return kind.extra_json_schema or {}  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] (a bare dict in msgspec)


def bare(kind: inspect.Type) -> inspect.Type:
    """The type proper, without annotations and without None."""
    match kind:
        case inspect.Metadata(type=inner):
            return bare(inner)
        case inspect.UnionType(types=types):
            return next(bare(one) for one in types if not isinstance(one, inspect.NoneType))
        case _:
            return kind
