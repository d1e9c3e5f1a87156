"""Python types as TypeScript types."""

from collections.abc import Mapping
from datetime import datetime
from enum import Flag
from types import NoneType
from typing import Any, Final, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import UnsetType

from .aliases import Alias, Aliases
from .annotations import (
    ABSENT,
    ARRAYS,
    MAPPINGS,
    SETS,
    TEXTS,
    is_enum,
    is_named_alias,
    is_record,
    is_text,
    is_union,
    plain,
    resolved,
)
from .declarations import Declaration, Declarations
from .members import Member, arguments, is_positional, members, type_variables
from .source import docstrings
from .syntax import (
    NULL,
    UNDEFINED,
    UNKNOWN,
    Array,
    Direction,
    Element,
    Name,
    Object,
    Property,
    Reference,
    Tuple,
    Type,
    literal,
    union,
)
from .tsdoc import described

TransformerName = Literal["none", "superjson"]

_JSON: Final[Mapping[Any, Type]] = {
    Any: UNKNOWN,
    object: UNKNOWN,
    NoneType: NULL,
    None: NULL,
    UnsetType: UNDEFINED,
    bool: Name("boolean"),
    int: Name("number"),
    float: Name("number"),
    **dict.fromkeys((*TEXTS, datetime, bytes, bytearray, memoryview), Name("string")),
}
_SUPERJSON: Final[Mapping[Any, Type]] = {
    **_JSON,
    datetime: Name("Date"),
    **dict.fromkeys((bytes, bytearray, memoryview), Name("Uint8Array")),
}
_SCALARS: Final[Mapping[TransformerName, Mapping[Any, Type]]] = {"none": _JSON, "superjson": _SUPERJSON}


class TypeScriptError(Exception):
    """A type has no form in TypeScript; the text names the procedure and the field."""


class Place(msgspec.Struct, frozen=True):
    """Where a type stands."""

    direction: Direction
    procedure: str
    subject: str
    """For error messages: `the field data of Upload`."""
    module: str
    """Whose names for unions are known here."""
    variables: tuple[Any, ...] = ()
    """The type variables of the generic class around it."""


class Mapper:
    """Maps types, and declares on the way those that get names."""

    def __init__(self, transformer: TransformerName, declarations: Declarations) -> None:
        self._transformer = transformer
        self._scalars = _SCALARS[transformer]
        self._declarations = declarations
        self._aliases = Aliases()

    def map(self, annotation: Any, place: Place) -> Type:
        """Give the TypeScript type of a value on the client's side.

        Raises:
            TypeScriptError: there is none.
        """
        bare = plain(annotation)
        if is_named_alias(bare):
            return self._alias(Alias(bare.__name__, bare.__module__, bare), place)
        if bare in self._scalars:
            return self._scalars[bare]
        if isinstance(bare, TypeVar):
            return Name(bare.__name__) if bare in place.variables else self._unbound(bare, place)
        if alias := self._aliases.find(bare, place.module):
            return self._alias(alias, place)
        return self._structure(bare, place)

    def _unbound(self, variable: TypeVar, place: Place) -> Type:
        return self.map(variable.__bound__ or Any, place)

    def _structure(self, bare: Any, place: Place) -> Type:
        origin = get_origin(bare) or bare
        if is_named_alias(origin):
            return self.map(origin.__value__[get_args(bare)], place)
        if is_union(bare):
            return self._union(get_args(bare), place)
        if origin is Literal:
            return union([literal(value) for value in get_args(bare)])
        if is_record(origin):
            return self._record(bare, place)
        if is_enum(bare):
            return self._enum(bare, place)
        if origin is tuple:
            return self._tuple(get_args(bare), place)
        if origin in MAPPINGS:
            return self._mapping(*(get_args(bare) or (Any, Any)), place=place)
        if origin in ARRAYS or origin in SETS:
            return self._items(origin, *(get_args(bare) or (Any,)), place=place)
        if isinstance(bare, type) and issubclass(bare, Flag):
            return self._scalars[int]
        raise TypeScriptError(
            f"{place.procedure}: {place.subject} holds {_name(bare)}, which has no form in TypeScript"
        )

    # ---------- what holds other types

    def _union(self, members: tuple[Any, ...], place: Place) -> Type:
        present = tuple(member for member in members if member not in ABSENT)
        absent = [self._scalars[member] for member in members if member in ABSENT]
        alias = self._aliases.find_part(present, place.module) if absent else None
        if alias is not None:
            return union([self._alias(alias, place), *absent])
        return union([*(self.map(member, place) for member in present), *absent])

    def _items(self, origin: Any, item: Any, *, place: Place) -> Type:
        mapped = self.map(item, place)
        is_set = origin in SETS and self._transformer == "superjson"
        return Name("Set", (mapped,)) if is_set else Array(mapped)

    def _tuple(self, items: tuple[Any, ...], place: Place) -> Type:
        match items:
            case ():
                return Array(UNKNOWN)
            case (item, last) if last is ...:
                return Array(self.map(item, place))
            case _:
                return Tuple(tuple(Element(self.map(item, place)) for item in items))

    def _mapping(self, key: Any, value: Any, *, place: Place) -> Type:
        mapped = self.map(value, place)
        if resolved(key) in (Any, *TEXTS):
            return Name("Record", (self._scalars[str], mapped))
        if is_text(key):
            return Name("Partial", (Name("Record", (self.map(key, place), mapped)),))
        if self._transformer == "superjson":
            return Name("Map", (self.map(key, place), mapped))
        return Name("Record", (self._scalars[str], mapped))

    # ---------- what has a name

    def _alias(self, alias: Alias, place: Place) -> Reference:
        value = alias.value
        declared = is_named_alias(value)
        meant = value.__value__ if declared else value
        doc = docstrings(alias.module).get(alias.name)
        return self._declarations.reference(
            value if declared else alias.key,
            place.direction,
            lambda: Declaration(alias.module, alias.name, (), described(meant, doc)),
            lambda: self.map(meant, place) if declared else self._structure(meant, place),
        )

    def _enum(self, cls: Any, place: Place) -> Reference:
        doc = docstrings(cls.__module__).get(cls.__qualname__)
        return self._declarations.reference(
            cls,
            place.direction,
            lambda: Declaration(cls.__module__, cls.__qualname__, (), described(cls, doc)),
            lambda: union([literal(member.value) for member in cls]),
        )

    def _record(self, annotation: Any, place: Place) -> Reference:
        cls, given = arguments(annotation)
        variables = type_variables(cls)
        doc = docstrings(cls.__module__).get(cls.__qualname__)
        inside = msgspec.structs.replace(place, module=cls.__module__, variables=variables)
        return self._declarations.reference(
            cls,
            place.direction,
            lambda: Declaration(
                cls.__module__, cls.__qualname__, tuple(v.__name__ for v in variables), described(cls, doc)
            ),
            lambda: self._body(cls, inside),
            tuple(self.map(argument, place) for argument in given) if variables else (),
        )

    def _body(self, cls: type, place: Place) -> Type:
        found = list(members(cls))
        tag = _tag(cls)
        if is_positional(cls):
            elements = self._elements(cls, found, place)
            return Tuple((*([] if tag is None else [Element(tag.type, tag.name)]), *elements))
        fields = self.properties(found, place, f"of {cls.__name__}")
        return Object((*([] if tag is None else [tag]), *fields))

    def properties(self, found: list[Member], place: Place, owner: str) -> tuple[Property, ...]:
        """Map the fields of an object."""
        return tuple(
            Property(
                member.wire_name,
                self._member(member, place, owner),
                member.optional(place.direction),
                described(
                    member.annotation,
                    member.doc,
                    member.default if member.optional(place.direction) else None,
                ),
            )
            for member in found
        )

    def _elements(self, cls: type, found: list[Member], place: Place) -> list[Element]:
        elements: list[Element] = []
        # Only what nothing required follows can be left out of an array.
        at_end = True
        for member in reversed(found):
            at_end = at_end and member.optional(place.direction)
            mapped = self._member(member, place, f"of {cls.__name__}")
            elements.insert(0, Element(mapped, member.wire_name, optional=at_end))
        return elements

    def _member(self, member: Member, place: Place, owner: str) -> Type:
        inside = msgspec.structs.replace(place, subject=f"the field {member.name} {owner}".strip())
        types = member.types(place.direction)
        if len(types) == 1:
            return self.map(types[0], inside)
        alias = self._aliases.find_part(types, place.module)
        return self._alias(alias, inside) if alias else self._union(types, inside)


def _tag(cls: type) -> Property | None:
    if not issubclass(cls, msgspec.Struct):
        return None
    config = cls.__struct_config__
    return None if config.tag_field is None else Property(config.tag_field, literal(config.tag))


def _name(annotation: Any) -> str:
    if isinstance(annotation, type):
        return f"{annotation.__module__}.{annotation.__qualname__}"
    return repr(annotation)
