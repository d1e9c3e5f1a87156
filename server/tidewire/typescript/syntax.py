"""The part of TypeScript's syntax that types need, and its text."""

import json
import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

Direction = Literal["input", "output"]

LINE_LENGTH: Final = 100
INDENT: Final = "  "

_IDENTIFIER: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


class Name(msgspec.Struct, frozen=True):
    """A type known everywhere, a literal or a type variable: `string`, `"a"`, `Map<K, V>`."""

    text: str
    arguments: tuple["Type", ...] = ()


class Reference(msgspec.Struct, frozen=True):
    """A declaration of this file; one class may have one for each direction."""

    key: Hashable
    direction: Direction
    arguments: tuple["Type", ...] = ()


class Array(msgspec.Struct, frozen=True):
    """A list of any length."""

    item: "Type"


class Element(msgspec.Struct, frozen=True):
    """One place of a tuple."""

    type: "Type"
    label: str | None = None
    optional: bool = False


class Tuple(msgspec.Struct, frozen=True):
    """A list in which each place has a type of its own."""

    elements: tuple[Element, ...]


class Property(msgspec.Struct, frozen=True):
    """One key of an object."""

    name: str
    type: "Type"
    optional: bool = False
    doc: tuple[str, ...] = ()


class Object(msgspec.Struct, frozen=True):
    """An object with known keys."""

    properties: tuple[Property, ...]


class Union(msgspec.Struct, frozen=True):
    """Any one of several types. Make it with `union`."""

    members: tuple["Type", ...]


Type: TypeAlias = Name | Reference | Array | Tuple | Object | Union

Names = Callable[[Reference], str]

UNKNOWN: Final = Name("unknown")
NULL: Final = Name("null")
UNDEFINED: Final = Name("undefined")

_LAST: Final = (NULL, UNDEFINED)


def literal(value: object) -> Name:
    """Give the type that has no other value than this string, number, boolean or None."""
    return Name(json.dumps(value, ensure_ascii=False))


def union(members: Sequence[Type]) -> Type:
    """Give the union of some types without repetition, with null and undefined at its end."""
    distinct = list(dict.fromkeys(_flat(members)))
    if UNKNOWN in distinct:
        return UNKNOWN
    ordered = [*(m for m in distinct if m not in _LAST), *(m for m in _LAST if m in distinct)]
    return ordered[0] if len(ordered) == 1 else Union(tuple(ordered))


def _flat(members: Sequence[Type]) -> Iterator[Type]:
    for member in members:
        yield from member.members if isinstance(member, Union) else (member,)


def key_text(name: str) -> str:
    """Write a property's name, in quotes only where it needs them."""
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def comment(doc: Sequence[str], indent: str) -> str:
    """Write the lines of a TSDoc comment; nothing if there are none."""
    lines = [line.replace("*/", "*\\/").rstrip() for line in doc]
    if not lines:
        return ""
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    body = "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines)
    return f"{indent}/**\n{body}{indent} */\n"


def text(of: Type, names: Names, indent: str = "") -> str:
    """Write a type; lines after the first begin with `indent`.

    A union that is too long for a line begins with a line break.
    """
    match of:
        case Name():
            return of.text + _arguments(of.arguments, names, indent)
        case Reference():
            return names(of) + _arguments(of.arguments, names, indent)
        case Array():
            item = text(of.item, names, indent)
            return f"({item})[]" if isinstance(of.item, Union) else f"{item}[]"
        case Tuple():
            return f"[{', '.join(_element(element, names, indent) for element in of.elements)}]"
        case Object():
            return _object(of, names, indent)
        case Union():
            return _union(of, names, indent)


def _arguments(arguments: tuple[Type, ...], names: Names, indent: str) -> str:
    written = ", ".join(_inline(argument, names, indent) for argument in arguments)
    return f"<{written}>" if written else ""


def _element(element: Element, names: Names, indent: str) -> str:
    written = _inline(element.type, names, indent)
    mark = "?" if element.optional else ""
    if element.label is not None and _IDENTIFIER.fullmatch(element.label):
        return f"{element.label}{mark}: {written}"
    return f"({written})?" if mark and isinstance(element.type, Union) else written + mark


def _object(of: Object, names: Names, indent: str) -> str:
    if not of.properties:
        return "Record<string, never>"
    deeper = indent + INDENT
    lines = "".join(
        comment(item.doc, deeper) + deeper + _property(item, names, deeper) for item in of.properties
    )
    return f"{{\n{lines}{indent}}}"


def _property(item: Property, names: Names, indent: str) -> str:
    written = text(item.type, names, indent)
    gap = "" if written.startswith("\n") else " "
    return f"{key_text(item.name)}{'?' if item.optional else ''}:{gap}{written};\n"


def _inline(of: Type, names: Names, indent: str) -> str:
    if isinstance(of, Union):
        return " | ".join(text(member, names, indent) for member in of.members)
    return text(of, names, indent)


def _union(of: Union, names: Names, indent: str) -> str:
    line = _inline(of, names, indent)
    if "\n" in line or len(indent) + len(line) <= LINE_LENGTH:
        return line
    deeper = indent + INDENT
    return "".join(f"\n{deeper}| {text(member, names, deeper)}" for member in of.members)
