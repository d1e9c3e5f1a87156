"""A router as the record of procedures that stock clients infer everything from."""

import inspect
from collections.abc import Mapping
from typing import Any, Final, Never, TypeAlias

import msgspec
from msgspec import NODEFAULT

from tidewire_protocol.messages import CallKind

from ..procedure import Output, Procedure
from ..router import Router
from ..uploads import ByteStream, Form
from .mapping import Mapper, Place
from .members import Member, members
from .syntax import (
    INDENT,
    NULL,
    UNDEFINED,
    Direction,
    Name,
    Names,
    Object,
    Property,
    Type,
    comment,
    key_text,
    text,
    union,
)

_INTERFACES: Final[Mapping[CallKind, str]] = {
    "query": "TRPCQueryProcedure",
    "mutation": "TRPCMutationProcedure",
    "subscription": "TRPCSubscriptionProcedure",
}

# What the stock links send as it is, instead of as JSON.
_UPLOADS: Final[Mapping[Any, Type]] = {
    Form: Name("FormData"),
    ByteStream: union([Name("Blob"), Name("Uint8Array")]),
}

_VOID: Final = Name("void")
_META: Final = Name("object")
_LAST_EVENT_ID: Final = Property(
    "lastEventId",
    union([Name("string"), NULL]),
    optional=True,
    doc=("The id of the event to go on after; stock clients send it by themselves when they reconnect.",),
)


class Leaf(msgspec.Struct, frozen=True):
    """A procedure's type."""

    type: Type
    doc: tuple[str, ...]


Record: TypeAlias = dict[str, "Record | Leaf"]


def record_of(router: Router, mapper: Mapper) -> Record:
    """Map the procedures of a router, nested as it is.

    Raises:
        TypeScriptError: a type has no form in TypeScript.
    """
    record: Record = {}
    for path, procedure in router.procedures().items():
        *outer, name = path.split(".")
        inner: Any = record
        for part in outer:
            inner = inner.setdefault(part, {})
        inner[name] = _leaf(path, procedure, mapper)
    return record


def record_text(record: Record, names: Names, indent: str = "") -> str:
    """Write the record as an object type."""
    deeper = indent + INDENT
    lines = [
        f"{deeper}{key_text(name)}: {record_text(member, names, deeper)};\n"
        if isinstance(member, dict)
        else f"{comment(member.doc, deeper)}{deeper}{key_text(name)}: {text(member.type, names, deeper)};\n"
        for name, member in record.items()
    ]
    return f"{{\n{''.join(lines)}{indent}}}" if lines else "{}"


def kinds_in(record: Record) -> set[str]:
    """Give the interfaces that the record mentions."""
    found: set[str] = set()
    for member in record.values():
        if isinstance(member, dict):
            found |= kinds_in(member)
        elif isinstance(member.type, Name):
            found.add(member.type.text)
    return found


def _leaf(path: str, procedure: Procedure, mapper: Mapper) -> Leaf:
    definition = Object(
        (
            Property("input", _input(path, procedure, mapper)),
            Property("output", _output(path, procedure, mapper)),
            Property("meta", _META),
        )
    )
    doc = procedure.description
    return Leaf(Name(_INTERFACES[procedure.kind], (definition,)), tuple(doc.splitlines()) if doc else ())


def _place(path: str, procedure: Procedure, direction: Direction, subject: str) -> Place:
    return Place(direction, path, subject, procedure.function.__module__)


def _input(path: str, procedure: Procedure, mapper: Mapper) -> Type:
    declared = procedure.input
    if declared.type is None:
        return union([Object((_LAST_EVENT_ID,)), _VOID]) if procedure.takes_last_event_id else _VOID
    if declared.type in _UPLOADS:
        return _UPLOADS[declared.type]
    place = _place(path, procedure, "input", "the parameter input")
    if declared.whole:
        mapped = mapper.map(declared.type, place)
        return mapped if declared.default is None else union([mapped, UNDEFINED])
    parameters = _parameters(procedure)
    own = (_LAST_EVENT_ID,) if procedure.takes_last_event_id else ()
    fields = Object((*mapper.properties(parameters, place, "of the input"), *own))
    return fields if any(parameter.required for parameter in parameters) else union([fields, UNDEFINED])


def _parameters(procedure: Procedure) -> list[Member]:
    """Give the fields of the input with the defaults that the function's signature has."""
    signature = inspect.signature(procedure.function).parameters
    return [
        member._replace(default=NODEFAULT if member.required else signature[member.name].default)
        for member in members(procedure.input.type)
    ]


def _output(path: str, procedure: Procedure, mapper: Mapper) -> Type:
    output = procedure.output
    if procedure.kind != "subscription":
        result = mapper.map(output.type, _place(path, procedure, "output", "the result"))
        return Name("AsyncIterable", (result,)) if output.streams else result
    return Name("AsyncIterable", (_event(output, mapper, _place(path, procedure, "output", "an event")),))


def _event(output: Output, mapper: Mapper, place: Place) -> Type:
    events: list[Type] = []
    if output.type is not Never:
        events.append(mapper.map(output.type, place))
    if output.tracked_type is not Never and output.type not in (Any, object):
        data = mapper.map(output.tracked_type, place)
        events.append(Object((Property("id", Name("string")), Property("data", data))))
    return union(events)
