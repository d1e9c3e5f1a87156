"""Reading the signature of a procedure: everything that can be wrong with it is found here."""

import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from copy import deepcopy
from functools import reduce
from math import inf
from operator import or_
from types import UnionType
from typing import Annotated, Any, Final, Never, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UnsetType
from msgspec import inspect as types

from tidewire_protocol.messages import CallKind

from .context import Context
from .middleware import Middleware
from .procedure import Input, Output, Procedure, is_upload
from .tracking import Tracked

_STREAMS: Final = (AsyncIterator, AsyncIterable, AsyncGenerator)


class DeclarationError(TypeError):
    """A procedure or router is declared wrongly; the text names the function and what to do."""


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
            if name in hints and not _takes_event_id(hints[name]):
                raise DeclarationError(f"{where}: annotate last_event_id as `str | None`")
            found.last_event_id = True
        elif name not in hints:
            raise DeclarationError(f"{where}: annotate the parameter {name}")
        elif inspect.isclass(hints[name]) and issubclass(hints[name], Context):
            raise DeclarationError(
                f"{where}: the parameter {name} is a context: it must be called ctx, and come first"
            )
        else:
            found.fields.append(parameter)
    return found


def _takes_event_id(expected: Any) -> bool:
    """Whether this is what a client sends when it resumes, or None when it does not."""
    if get_origin(expected) is Annotated:
        return _takes_event_id(expected.__origin__)
    return expected in (Any, object) or {str, type(None)} <= set(_union_members(expected))


def _input_of(
    parameters: _Parameters, hints: Mapping[str, Any], function: Callable[..., Any], where: str
) -> Input:
    fields = parameters.fields
    if not fields:
        return Input(None, whole=False)
    if [field.name for field in fields] == ["input"]:
        expected = hints["input"]
        if is_upload(expected):
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
    # typing's AsyncIterator has itself as its origin, but without its events' type nothing can be checked.
    streams = get_origin(returned) in _STREAMS and get_args(returned) != ()
    if inspect.isgeneratorfunction(function):
        raise DeclarationError(f"{where}: a {kind} that yields must be async")
    if not streams and (kind == "subscription" or inspect.isasyncgenfunction(function)):
        which = kind if kind == "subscription" else f"{kind} that yields"
        raise DeclarationError(f"{where}: a {which} must be annotated to return AsyncIterator[...]")
    if kind != "subscription":
        piece = get_args(returned)[0] if streams else returned
        if any(Tracked in (member, get_origin(member)) for member in _union_members(piece)):
            raise DeclarationError(f"{where}: only the events of a subscription can be Tracked")
        _check_type(piece, f"{where}: the return type")
        return Output(piece, streams=streams)
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
