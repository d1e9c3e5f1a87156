"""A typed function as a procedure: what it takes, what it gives, checked when declared."""

import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping
from copy import deepcopy
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import reduce
from math import inf
from operator import or_
from types import UnionType
from typing import Any, Final, Never, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from tidewire_protocol.messages import CallKind

from .errors import RPCError
from .middleware import Middleware
from .tracking import Tracked

_STREAMS: Final = (AsyncIterator, AsyncIterable, AsyncGenerator)


class DeclarationError(TypeError):
    """A procedure or router is declared wrongly; the text names the function and what to do."""


class Procedure(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A function that clients can call. Made by `Router.query`, `.mutation` and `.subscription`."""

    kind: CallKind
    function: Callable[..., Any]
    input: "Input"
    output: "Output"
    """Of the result; for a subscription, of each event."""
    takes_context: bool
    takes_last_event_id: bool
    middleware: tuple[Middleware, ...]
    meta: Mapping[str, Any]
    timeout: float | None
    """Seconds for a query or mutation to answer; for a subscription, between events."""

    @property
    def description(self) -> str | None:
        """The function's docstring."""
        return inspect.getdoc(self.function)


class Input(msgspec.Struct, frozen=True):
    """How the input becomes the function's arguments."""

    type: Any
    """A Struct of all parameters, the type of the parameter `input`, or None for no input."""
    whole: bool
    """Whether the single parameter `input` takes the input as it is."""
    default: Any = inspect.Parameter.empty
    """What `input` is when the client sends nothing; `empty` if it must send something."""

    def bind(self, value: Any) -> dict[str, Any]:
        """Validate what the client sent and give keyword arguments.

        Raises:
            RPCError: BAD_REQUEST, with the path of the bad field.
        """
        if self.type is None:
            return {}
        if self.whole:
            if value is UNSET and self.default is not inspect.Parameter.empty:
                return {"input": self.default}
            return {"input": _validate(value, self.type)}
        fields = _validate({} if value is UNSET else value, self.type)
        return {name: getattr(fields, name) for name in fields.__struct_fields__}


def _validate(value: Any, expected: Any) -> Any:
    if value is UNSET:
        raise RPCError("BAD_REQUEST", "Input is required")
    try:
        return msgspec.convert(value, expected)
    except msgspec.ValidationError as error:
        # msgspec calls the root `$`, which means nothing to a caller.
        raise RPCError("BAD_REQUEST", str(error).replace("`$", "`input")) from error
    except RecursionError as error:
        raise RPCError("BAD_REQUEST", "Input is nested too deeply") from error


class Output(msgspec.Struct, frozen=True):
    """What a procedure promised to give."""

    type: Any
    """Of results, or of events without an id."""
    tracked_type: Any = Never
    """Of the data of events with an id; `Never` where there are none."""

    def check(self, value: Any) -> Any:
        """Give `value` as its declared type.

        Raises:
            RPCError: INTERNAL_SERVER_ERROR "Output validation failed", from the cause.
        """
        if isinstance(value, Tracked):
            return Tracked(value.id, _conform(value.data, self.tracked_type))
        return _conform(value, self.type)


# msgspec.convert takes these as they are, so that going through builtins loses nothing.
_NATIVE: Final = (bytes, bytearray, datetime, date, time, timedelta, UUID, Decimal)


def _conform(value: Any, expected: Any) -> Any:
    if expected is Any or expected is object:
        return value
    if expected is Never:
        raise RPCError("INTERNAL_SERVER_ERROR", "Output validation failed")
    if value is UNSET and _may_be_undefined(expected):
        return UNSET
    try:
        # convert() trusts the fields of an instance; builtins it looks at one by one.
        return msgspec.convert(msgspec.to_builtins(value, builtin_types=_NATIVE), expected)
    except (msgspec.ValidationError, TypeError, RecursionError) as error:
        raise RPCError("INTERNAL_SERVER_ERROR", "Output validation failed") from error


def _may_be_undefined(expected: Any) -> bool:
    return expected is UnsetType or UnsetType in get_args(expected)


# ---------- reading a function's signature


def declare(
    kind: CallKind,
    function: Callable[..., Any],
    *,
    middleware: tuple[Middleware, ...],
    meta: Mapping[str, Any],
    timeout: float | None,
) -> Procedure:
    """Make a procedure of a typed function.

    Raises:
        DeclarationError: the function cannot be one; the text says why.
    """
    where = f"{function.__module__}.{function.__qualname__}"
    hints = _type_hints(function, where)
    if "return" not in hints:
        raise DeclarationError(f"{where}: annotate what it returns")
    if timeout is not None and not 0 < timeout < inf:
        raise DeclarationError(f"{where}: timeout must be a positive number of seconds")
    parameters = _parameters(kind, function, hints, where)
    return Procedure(
        kind=kind,
        function=function,
        input=_input_of(parameters.fields, hints, function, where),
        output=_output_of(kind, function, hints["return"], where),
        takes_context=parameters.context,
        takes_last_event_id=parameters.last_event_id,
        middleware=middleware,
        meta=meta,
        timeout=timeout,
    )


def _type_hints(function: Callable[..., Any], where: str) -> dict[str, Any]:
    if not inspect.isfunction(function):
        raise DeclarationError(f"{where}: only a function can be a procedure")
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise DeclarationError(
            f"{where}: the annotation of a parameter cannot be resolved: {error}"
        ) from error


class _Parameters(msgspec.Struct):
    fields: list[inspect.Parameter]
    context: bool = False
    last_event_id: bool = False


def _parameters(
    kind: CallKind, function: Callable[..., Any], hints: Mapping[str, Any], where: str
) -> _Parameters:
    found = _Parameters([])
    for position, (name, parameter) in enumerate(inspect.signature(function).parameters.items()):
        match parameter.kind:
            case inspect.Parameter.VAR_POSITIONAL | inspect.Parameter.VAR_KEYWORD:
                raise DeclarationError(
                    f"{where}: the parameter {name} cannot be `*`: name every field of the input"
                )
            case inspect.Parameter.POSITIONAL_ONLY:
                raise DeclarationError(f"{where}: the parameter {name} cannot be positional-only")
            case _:
                pass
        if name == "ctx":
            if position != 0:
                raise DeclarationError(f"{where}: the parameter ctx must come first")
            found.context = True
        elif name == "last_event_id":
            if kind != "subscription":
                raise DeclarationError(f"{where}: only a subscription can take last_event_id")
            found.last_event_id = True
        elif name not in hints:
            raise DeclarationError(f"{where}: annotate the parameter {name}")
        else:
            found.fields.append(parameter)
    return found


def _input_of(
    fields: list[inspect.Parameter], hints: Mapping[str, Any], function: Callable[..., Any], where: str
) -> Input:
    if not fields:
        return Input(None, whole=False)
    if [field.name for field in fields] == ["input"]:
        expected = hints["input"]
        _check_type(expected, f"{where}: the parameter input")
        return Input(expected, whole=True, default=fields[0].default)
    for field in fields:
        _check_type(hints[field.name], f"{where}: the parameter {field.name}")
    struct = msgspec.defstruct(
        "".join(word.capitalize() for word in function.__name__.split("_")) + "Input",
        [_field(parameter, hints[parameter.name]) for parameter in fields],
        kw_only=True,
        rename="camel",
        module=function.__module__,
    )
    return Input(struct, whole=False)


def _field(parameter: inspect.Parameter, expected: Any) -> tuple[str, Any] | tuple[str, Any, Any]:
    default = parameter.default
    if default is inspect.Parameter.empty:
        return (parameter.name, expected)
    if isinstance(default, (list, dict, set, bytearray)):
        return (parameter.name, expected, msgspec.field(default_factory=lambda: deepcopy(default)))
    return (parameter.name, expected, default)


def _output_of(kind: CallKind, function: Callable[..., Any], returned: Any, where: str) -> Output:
    streams = get_origin(returned) in _STREAMS
    if kind != "subscription":
        if inspect.isasyncgenfunction(function):
            raise DeclarationError(f"{where}: a {kind} cannot yield; make it a subscription")
        _check_type(returned, f"{where}: the return type")
        return Output(returned)
    if not streams:
        raise DeclarationError(f"{where}: a subscription must be annotated to return AsyncIterator[...]")
    event = get_args(returned)[0]
    if event is Any or event is object:
        return Output(event, event)
    plain = [member for member in _union_members(event) if get_origin(member) is not Tracked]
    tracked = [get_args(member)[0] for member in _union_members(event) if get_origin(member) is Tracked]
    for member in (*plain, *tracked):
        _check_type(member, f"{where}: the type of events")
    return Output(_union(plain), _union(tracked))


def _union_members(expected: Any) -> tuple[Any, ...]:
    return get_args(expected) if get_origin(expected) in (Union, UnionType) else (expected,)


def _union(members: list[Any]) -> Any:
    return reduce(or_, members) if members else Never


def _check_type(expected: Any, what: str) -> None:
    if expected is Any or expected is object or expected is UnsetType:
        return
    try:
        msgspec.json.Decoder(expected)
    except (TypeError, NameError, ValueError) as error:
        raise DeclarationError(f"{what} is not a type that msgspec can check: {error}") from error
