"""A typed function as a procedure: what it takes, what it gives, checked when declared."""

import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
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
from msgspec import inspect as types

from tidewire_protocol.messages import CallKind

from .errors import RPCError
from .middleware import Middleware
from .tracking import Tracked
from .uploads import ByteStream, Form

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
    default: Callable[[], Any] | None = None
    """Makes what `input` is when the client sends nothing; None if it must send something."""
    takes_last_event_id: bool = False
    """Whether the type has a place for the `lastEventId` that tRPC merges into the input."""

    def bind(self, value: Any, *, merged: bool = False) -> dict[str, Any]:
        """Validate what the client sent and give keyword arguments.

        Args:
            value: UNSET if nothing was sent.
            merged: whether `lastEventId` was merged into it.

        Raises:
            RPCError: BAD_REQUEST, with the path of the bad field.
        """
        if self.type is None:
            return {}
        if merged and not self.takes_last_event_id:
            value = self._unmerged(value)
        if self.whole:
            if value is UNSET and self.default is not None:
                return {"input": self.default()}
            return {"input": _validate(value, self.type)}
        fields = _validate({} if value is UNSET else value, self.type)
        return {name: getattr(fields, name) for name in fields.__struct_fields__}

    def _unmerged(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        sent = {key: item for key, item in value.items() if key != "lastEventId"}
        # Merging makes an object of an input that was not sent.
        return sent if sent or self.default is None else UNSET


_UPLOADS: Final[Mapping[Any, str]] = {
    Form: "multipart/form-data",
    ByteStream: "application/octet-stream",
}


def _validate(value: Any, expected: Any) -> Any:
    if expected in _UPLOADS:
        if not isinstance(value, expected):
            raise RPCError("UNSUPPORTED_MEDIA_TYPE", f"The input must be {_UPLOADS[expected]}")
        return value
    if value is UNSET:
        raise RPCError("BAD_REQUEST", "Input is required")
    try:
        return msgspec.convert(value, expected, str_keys=True)
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
    where = name_of(function)
    hints = _type_hints(function, where)
    if "return" not in hints:
        raise DeclarationError(f"{where}: annotate what it returns")
    if timeout is not None and not 0 < timeout < inf:
        raise DeclarationError(f"{where}: timeout must be a positive number of seconds")
    parameters = _parameters(kind, function, hints, where)
    return Procedure(
        kind=kind,
        function=function,
        input=_input_of(parameters, hints, function, where),
        output=_output_of(kind, function, hints["return"], where),
        takes_context=parameters.context,
        takes_last_event_id=parameters.last_event_id,
        middleware=middleware,
        meta=meta,
        timeout=timeout,
    )


def name_of(function: Callable[..., Any]) -> str:
    """Name a function so that its author finds it."""
    if not inspect.isroutine(function):
        return repr(function)
    return f"{function.__module__}.{function.__qualname__}"


def _type_hints(function: Callable[..., Any], where: str) -> dict[str, Any]:
    if not inspect.isfunction(function):
        raise DeclarationError(f"{where}: only a function can be a procedure")
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise DeclarationError(f"{where}: an annotation cannot be resolved: {error}") from error


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
    parameters: _Parameters, hints: Mapping[str, Any], function: Callable[..., Any], where: str
) -> Input:
    fields = parameters.fields
    if not fields:
        return Input(None, whole=False)
    if [field.name for field in fields] == ["input"]:
        expected = hints["input"]
        if expected in _UPLOADS:
            return Input(expected, whole=True)
        _check_type(expected, f"{where}: the parameter input")
        return Input(
            expected,
            whole=True,
            default=_default_of(fields[0]),
            takes_last_event_id=not parameters.last_event_id and _has_last_event_id(expected),
        )
    for field in fields:
        _check_type(hints[field.name], f"{where}: the parameter {field.name}")
    try:
        struct = msgspec.defstruct(
            "".join(word.capitalize() for word in function.__name__.split("_")) + "Input",
            [_field(parameter, hints[parameter.name]) for parameter in fields],
            kw_only=True,
            rename="camel",
            module=function.__module__,
        )
    except ValueError as error:
        names = ", ".join(field.name for field in fields)
        raise DeclarationError(f"{where}: the parameters {names} are not a valid input: {error}") from error
    return Input(struct, whole=False)


def _field(parameter: inspect.Parameter, expected: Any) -> tuple[str, Any] | tuple[str, Any, Any]:
    make_default = _default_of(parameter)
    if make_default is None:
        return (parameter.name, expected)
    return (parameter.name, expected, msgspec.field(default_factory=make_default))


def _default_of(parameter: inspect.Parameter) -> Callable[[], Any] | None:
    """Give what makes the default: anew for each call if a call could change it."""
    default = parameter.default
    if default is inspect.Parameter.empty:
        return None
    try:
        hash(default)
    except TypeError:
        return lambda: deepcopy(default)
    return lambda: default


def _has_last_event_id(expected: Any) -> bool:
    if expected is Any or expected is object:
        return True
    return any(
        field.encode_name == "lastEventId"
        for member in _union_members(expected)
        for field in getattr(types.type_info(member), "fields", ())
    )


def _output_of(kind: CallKind, function: Callable[..., Any], returned: Any, where: str) -> Output:
    streams = get_origin(returned) in _STREAMS
    if kind != "subscription":
        if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
            raise DeclarationError(f"{where}: a {kind} cannot yield; make it a subscription")
        _check_type(returned, f"{where}: the return type")
        return Output(returned)
    if not streams:
        raise DeclarationError(f"{where}: a subscription must be annotated to return AsyncIterator[...]")
    if inspect.isgeneratorfunction(function):
        raise DeclarationError(f"{where}: a subscription that yields must be async")
    event = get_args(returned)[0]
    if event is Any or event is object:
        return Output(event, event)
    members = [Tracked[Any] if member is Tracked else member for member in _union_members(event)]
    plain = [member for member in members if get_origin(member) is not Tracked]
    tracked = [get_args(member)[0] for member in members if get_origin(member) is Tracked]
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
        info = types.type_info(expected)
    except (TypeError, NameError, ValueError) as error:
        raise DeclarationError(f"{what} is not a type that msgspec can check: {error}") from error
    for unknown in _unknown_types(info, set()):
        raise DeclarationError(f"{what} is not a type that msgspec can check: it holds {unknown!r}")


def _unknown_types(info: Any, seen: set[int]) -> Iterator[Any]:
    """Find what msgspec takes for a type of the user's own, and would refuse at every call."""
    if isinstance(info, types.CustomType):
        if info.cls not in (object, UnsetType):
            yield info.cls
    elif isinstance(info, tuple):
        for part in info:
            yield from _unknown_types(part, seen)
    elif isinstance(info, (types.Type, types.Field)) and id(info) not in seen:
        seen.add(id(info))
        yield from _unknown_types(msgspec.structs.astuple(info), seen)
