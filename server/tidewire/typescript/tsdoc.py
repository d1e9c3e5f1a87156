"""What a TSDoc comment says: the docstring, the constraints, the default."""

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, Final, get_args, get_origin

from msgspec import Meta

from .annotations import ARRAYS, MAPPINGS, SETS, members_of, plain

# The names are JSON schema's; that is what readers know, and tools look for.
_BOUNDS: Final = (
    ("ge", "minimum"),
    ("gt", "exclusiveMinimum"),
    ("le", "maximum"),
    ("lt", "exclusiveMaximum"),
    ("multiple_of", "multipleOf"),
    ("pattern", "pattern"),
)


def described(annotation: Any, doc: str | None, default: Any = None) -> tuple[str, ...]:
    """Give the lines of a comment for a value of this type."""
    text = doc or next((meta.description for meta in _metas(annotation) if meta.description), None)
    tags = [f"@{name} {value}" for name, value in _constraints(annotation)]
    shown = _shown(default)
    return (
        *(text.splitlines() if text else ()),
        *_zones(annotation),
        *_inside(annotation),
        *tags,
        *([] if shown is None else [f"@defaultValue {shown}"]),
    )


def _metas(annotation: Any) -> Iterator[Meta]:
    for member in members_of(annotation):
        if get_origin(member) is Annotated:
            yield from (extra for extra in get_args(member)[1:] if isinstance(extra, Meta))


def _constraints(annotation: Any) -> Iterator[tuple[str, Any]]:
    for member in members_of(annotation):
        unit = _unit(plain(member))
        for meta in _metas(member):
            yield from ((name, found) for key, name in _BOUNDS if (found := getattr(meta, key)) is not None)
            lengths = (("min", meta.min_length), ("max", meta.max_length))
            yield from ((side + unit, length) for side, length in lengths if length is not None)


def _unit(annotation: Any) -> str:
    origin = get_origin(annotation) or annotation
    if origin in MAPPINGS:
        return "Properties"
    return "Items" if origin in ARRAYS or origin in SETS or origin is tuple else "Length"


def _zones(annotation: Any) -> Iterator[str]:
    for meta in _metas(annotation):
        if meta.tz is not None:
            yield "With a time zone." if meta.tz else "Without a time zone."


_PARTS: Final[Mapping[int, Sequence[str]]] = {1: ("Each item",), 2: ("Each key", "Each value")}


def _inside(annotation: Any) -> Iterator[str]:
    for member in members_of(annotation):
        base = plain(member)
        origin, parts = get_origin(base), [part for part in get_args(base) if part is not ...]
        if origin in MAPPINGS or origin in ARRAYS or origin in SETS or (origin is tuple and len(parts) == 1):
            for label, part in zip(_PARTS[len(parts)], parts, strict=True):
                if found := [f"{name} {value}" for name, value in _constraints(part)]:
                    yield f"{label}: {', '.join(found)}."


def _shown(default: Any) -> str | None:
    if isinstance(default, Enum):
        default = default.value
    return json.dumps(default, ensure_ascii=False) if isinstance(default, (str, int, float)) else None
