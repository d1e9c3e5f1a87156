"""The named types of a file: which there are, which differ by direction, under which names."""

from collections.abc import Callable, Hashable, Iterator

import msgspec

from .naming import choices, unique
from .syntax import Direction, Reference, Type, comment, text


class Declaration(msgspec.Struct):
    """A type with a name, in each direction in which it is used."""

    module: str
    qualname: str
    parameters: tuple[str, ...]
    doc: tuple[str, ...]
    bodies: dict[Direction, Type] = {}


class Declarations:
    """All named types, in the order in which they were first mentioned."""

    def __init__(self) -> None:
        self._all: dict[Hashable, Declaration] = {}
        self._under_way: set[tuple[Hashable, Direction]] = set()

    def reference(
        self,
        key: Hashable,
        direction: Direction,
        declaration: Callable[[], Declaration],
        body: Callable[[], Type],
        arguments: tuple[Type, ...] = (),
    ) -> Reference:
        """Refer to a type, which is declared on its first mention; its body may refer to itself."""
        if key not in self._all:
            self._all[key] = declaration()
        declared = self._all[key]
        if direction not in declared.bodies and (key, direction) not in self._under_way:
            self._under_way.add((key, direction))
            declared.bodies[direction] = body()
        return Reference(key, direction, arguments)

    def texts(self, names: Callable[[Reference], str]) -> Iterator[str]:
        """Write the declarations, under the names that `names` gave out."""
        for key, declaration in self._all.items():
            written: set[str] = set()
            for direction, body in sorted(declaration.bodies.items(), reverse=True):
                name = names(Reference(key, direction))
                if name not in written:
                    written.add(name)
                    yield _text(name, declaration, body, names)

    def names(self) -> Callable[[Reference], str]:
        """Give a name to every declaration: one for both directions where they agree."""
        apart = self._apart()
        taken = unique(
            {
                (key, suffix): choices(declaration.module, declaration.qualname, suffix)
                for key, declaration in self._all.items()
                for suffix in (("", "Input") if key in apart else ("",))
            }
        )
        return lambda reference: taken[
            reference.key,
            "Input" if reference.key in apart and reference.direction == "input" else "",
        ]

    def _apart(self) -> set[Hashable]:
        """Find what differs by direction, itself or in what it refers to."""
        ids = {key: f"#{number}" for number, key in enumerate(self._all)}
        apart: set[Hashable] = set()

        def name(reference: Reference) -> str:
            side = reference.direction if reference.key in apart else ""
            return ids[reference.key] + side

        while True:
            found = {
                key
                for key, declaration in self._all.items()
                if key not in apart and len({text(body, name) for body in declaration.bodies.values()}) > 1
            }
            if not found:
                return apart
            apart |= found


def _text(name: str, declaration: Declaration, body: Type, names: Callable[[Reference], str]) -> str:
    parameters = f"<{', '.join(declaration.parameters)}>" if declaration.parameters else ""
    written = text(body, names)
    gap = "" if written.startswith("\n") else " "
    return f"{comment(declaration.doc, '')}export type {name}{parameters} ={gap}{written};\n"
