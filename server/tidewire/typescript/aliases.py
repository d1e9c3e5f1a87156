"""The names that modules give to unions and literals: `MessageEvent = Start | TextDelta`."""

import sys
from collections.abc import Hashable, Iterable, Iterator
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin

from .annotations import ABSENT, is_enum, is_record, is_union, plain


class Alias(NamedTuple):
    """A type that has a name only because a module gave it one."""

    name: str
    module: str
    value: Any

    @property
    def key(self) -> Hashable:
        """The same for the same type, whichever module it was found in."""
        return _key(self.value)


class Aliases:
    """Finds the name of a union or literal. The first name found for a type is its only one."""

    def __init__(self) -> None:
        self._found: dict[Hashable, Alias] = {}

    def find(self, annotation: Any, module: str) -> Alias | None:
        """Give the name that `module`, or the module of one of the members, has for a type."""
        if not (is_union(annotation) or get_origin(annotation) is Literal):
            return None
        if getattr(annotation, "__parameters__", ()):
            return None
        key = _key(annotation)
        if key in self._found:
            return self._found[key]
        alias = next(_candidates(annotation, module), None)
        if alias is not None:
            self._found[key] = alias
        return alias

    def find_part(self, members: tuple[Any, ...], module: str) -> Alias | None:
        """The same for what is left of a union without None and UNSET.

        Python takes `MessageEvent | None` apart, so identity is lost, and only a union of
        classes can be told from one that merely looks alike.
        """
        if len(members) < 2 or not all(_is_class(member) for member in members):
            return None
        together: Any = members[0]
        for member in members[1:]:
            together = together | member
        return self.find(together, module)


def _is_class(member: Any) -> bool:
    base = get_origin(member) or member
    return is_record(base) or is_enum(base)


def _candidates(annotation: Any, module: str) -> Iterator[Alias]:
    alike = is_union(annotation) and all(_is_class(member) for member in get_args(annotation))
    for name in dict.fromkeys([module, *_modules(get_args(annotation))]):
        for variable, value in list(getattr(sys.modules.get(name), "__dict__", {}).items()):
            if variable.startswith("_"):
                continue
            if value is annotation or (alike and is_union(value) and _key(value) == _key(annotation)):
                yield Alias(variable, name, value)


def _modules(members: Iterable[Any]) -> Iterator[str]:
    for member in members:
        base = plain(get_origin(member) or member)
        if isinstance(base, type) and base not in ABSENT and base is not NoneType:
            yield base.__module__


def _key(annotation: Any) -> Hashable:
    if is_union(annotation):
        return frozenset(get_args(annotation))
    # 1 == True, yet Literal[1] is not Literal[True].
    return tuple((type(value), value) for value in get_args(annotation))
