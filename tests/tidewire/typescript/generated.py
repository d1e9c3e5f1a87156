"""Routers of one procedure, and parts of the text that is generated from them."""

import re
from collections.abc import AsyncIterator
from typing import Any

from tidewire import Router
from tidewire.typescript import TransformerName, generate


def taking(annotation: Any, default: Any = ...) -> Router:
    """A router with one mutation, `change`, that takes this as its input."""

    async def change(input: Any = default) -> None: ...

    if default is ...:
        change.__defaults__ = None
    change.__annotations__["input"] = annotation
    router = Router()
    router.mutation(change)
    return router


def giving(annotation: Any) -> Router:
    """A router with one query, `read`, that gives this."""

    async def read() -> Any: ...

    read.__annotations__["return"] = annotation
    router = Router()
    router.query(read)
    return router


def streaming(event: Any) -> Router:
    """A router with one subscription, `watch`, of these events."""

    async def watch() -> AsyncIterator[Any]:
        yield None

    watch.__annotations__["return"] = AsyncIterator[event]
    router = Router()
    router.subscription(watch)
    return router


def text_of(router: Router, transformer: TransformerName = "superjson") -> str:
    return generate(router, transformer=transformer, command="tidewire typescript app:router")


def input_type(annotation: Any, transformer: TransformerName = "superjson", default: Any = ...) -> str:
    return part("input", text_of(taking(annotation, default), transformer))


def output_type(annotation: Any, transformer: TransformerName = "superjson") -> str:
    return part("output", text_of(giving(annotation), transformer))


def part(key: str, text: str) -> str:
    """The type of the only procedure's input or output."""
    found = re.search(rf"^    {key}: ?(.*?);\n    (?:output|meta): ", text, re.MULTILINE | re.DOTALL)
    assert found is not None, text
    return found[1]


def declared(name: str, text: str) -> str:
    """The declaration of a type, with its comment."""
    found = [
        block for block in text.split("\n\n") if re.search(rf"^export type {name}\b", block, re.MULTILINE)
    ]
    assert len(found) == 1, text
    return found[0].strip()


def names(text: str) -> list[str]:
    """The named types, in their order, without those that every file has."""
    return re.findall(r"^export type (\w+)", text, re.MULTILINE)[2:]


def properties(name: str, text: str) -> list[str]:
    """The lines of a declared object, without comments."""
    lines = [line.strip() for line in declared(name, text).splitlines() if line.startswith("  ")]
    return [line for line in lines if not line.startswith(("/*", "*"))]
