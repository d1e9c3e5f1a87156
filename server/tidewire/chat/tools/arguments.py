"""A tool's arguments: read from a function's signature once, and from the model at each call."""

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from .context import ToolContext
from .errors import ToolDefinitionError, ToolError
from .schema import object_schema

NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What providers accept as the name of a tool or of an argument."""

_REFUSED_KINDS: Final[Mapping[Any, str]] = {
    inspect.Parameter.POSITIONAL_ONLY: "is positional-only; a model gives arguments by name.",
    inspect.Parameter.VAR_POSITIONAL: "collects any number of values; name each argument.",
    inspect.Parameter.VAR_KEYWORD: "collects any argument; name each one.",
}
_MISSING: Final = re.compile(r"Object missing required field `(?P<field>.+)`")
_PLACE: Final = re.compile(r"(?P<problem>.+) - at `\$\.?(?P<path>.*)`", re.DOTALL)
_ROOT_PROBLEM: Final = re.compile(r"Expected `object`, got `(?P<actual>.+)`")


class Arguments(msgspec.Struct, frozen=True):
    """The arguments of one tool."""

    struct: type[msgspec.Struct]
    schema: dict[str, Any]
    """JSON schema of an object."""
    takes_context: bool

    @classmethod
    def of(cls, function: Callable[..., Any]) -> "Arguments":
        """Read the signature of `function`.

        Raises:
            ToolDefinitionError: naming the function and the parameter that no model could fill in.
        """
        parameters, hints = _signature(function)
        takes_context = bool(parameters) and parameters[0].name == "ctx"
        if takes_context:
            _check_context(function, parameters.pop(0), hints)
        fields = [_field(function, parameter, hints) for parameter in parameters]
        struct = msgspec.defstruct(
            f"{function.__name__}_arguments", fields, kw_only=True, frozen=True, forbid_unknown_fields=True
        )
        return cls(struct, object_schema(struct), takes_context)

    def read(self, arguments: Any) -> dict[str, Any]:
        """The keyword arguments for the function, from parsed JSON.

        Raises:
            ToolError: the arguments do not fit; names the first bad one.
        """
        try:
            values = msgspec.convert(arguments, self.struct, str_keys=True)
        except msgspec.ValidationError as error:
            raise ToolError(self._explain(str(error))) from error
        return {field: getattr(values, field) for field in self.struct.__struct_fields__}

    def _explain(self, problem: str) -> str:
        if place := _PLACE.fullmatch(problem):
            return f"Argument `{place['path']}`: {_lowered(place['problem'])}."
        if missing := _MISSING.fullmatch(problem):
            return f"Argument `{missing['field']}` is missing."
        if root := _ROOT_PROBLEM.fullmatch(problem):
            return f"The arguments must be a JSON object, not `{root['actual']}`."
        known = ", ".join(f"`{name}`" for name in self.struct.__struct_fields__) or "none"
        return f"{problem}. The arguments are: {known}."


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _signature(function: Callable[..., Any]) -> tuple[list[inspect.Parameter], dict[str, Any]]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
        return parameters, typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise ToolDefinitionError(
            f"Tool {function.__qualname__}: an annotation cannot be resolved: {error}."
        ) from error


def _check_context(
    function: Callable[..., Any], parameter: inspect.Parameter, hints: Mapping[str, Any]
) -> None:
    if parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD:
        raise _wrong(function, parameter, "must be an ordinary parameter.")
    if hints.get(parameter.name) is not ToolContext:
        raise _wrong(function, parameter, "must be annotated ToolContext.")


def _field(
    function: Callable[..., Any], parameter: inspect.Parameter, hints: Mapping[str, Any]
) -> tuple[str, Any] | tuple[str, Any, Any]:
    if refused := _REFUSED_KINDS.get(parameter.kind):
        raise _wrong(function, parameter, refused)
    if not NAME.fullmatch(parameter.name) or parameter.name.startswith("_"):
        raise _wrong(function, parameter, "must be named with a-z, A-Z, 0-9 and _, and not begin with _.")
    if parameter.name not in hints:
        raise _wrong(function, parameter, "needs a type annotation.")
    annotation = hints[parameter.name]
    if annotation is ToolContext or parameter.name == "ctx":
        raise _wrong(function, parameter, "is out of place: the context is the first parameter, named ctx.")
    _check_type(function, parameter, annotation)
    if parameter.default is parameter.empty:
        return parameter.name, annotation
    _check_default(function, parameter, annotation)
    return parameter.name, annotation, parameter.default


def _check_type(function: Callable[..., Any], parameter: inspect.Parameter, annotation: Any) -> None:
    try:
        msgspec.json.schema(annotation)
    except (TypeError, NameError) as error:
        cause = str(error).splitlines()[-1]
        raise _wrong(function, parameter, f"has a type that no JSON fits: {cause}.") from error


def _check_default(function: Callable[..., Any], parameter: inspect.Parameter, annotation: Any) -> None:
    try:
        msgspec.convert(parameter.default, annotation, str_keys=True)
        msgspec.defstruct("default", [(parameter.name, annotation, parameter.default)])
    except (msgspec.ValidationError, TypeError) as error:
        raise _wrong(function, parameter, f"has a default that cannot be used: {error}.") from error


def _wrong(function: Callable[..., Any], parameter: inspect.Parameter, problem: str) -> ToolDefinitionError:
    return ToolDefinitionError(f"Tool {function.__qualname__}: parameter {parameter.name} {problem}")
