"""The walls between the parts: who may import what, read from the source without running it."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.processes import ROOT

SOURCES: Final = (ROOT / "protocol", ROOT / "server")


@dataclass(frozen=True)
class Rule:
    """Modules under `these` may import what is under `named` only if they are under `allowed`.

    An empty `named` stands for everything outside the standard library.
    """

    name: str
    these: tuple[str, ...]
    named: tuple[str, ...]
    allowed: tuple[str, ...] = ()
    except_for: tuple[str, ...] = ()


CORE: Final = tuple(
    f"tidewire.{noun}" for noun in ("router", "procedure", "middleware", "calls", "context", "errors")
)

PROTOCOL: Final = Rule(
    "the protocol imports nothing but the standard library, msgspec and itself",
    these=("tidewire_protocol",),
    named=(),
    except_for=("msgspec", "tidewire_protocol"),
)
WEB: Final = Rule(
    "only transports, the runner, the chat server and the CLI know the web stack",
    these=("tidewire",),
    named=("starlette", "uvicorn", "websockets"),
    allowed=("tidewire.transports", "tidewire.runner", "tidewire.chat", "tidewire.cli", "tidewire.load"),
)
UVICORN: Final = Rule(
    "only the runner and the CLI know uvicorn",
    these=("tidewire",),
    named=("uvicorn",),
    allowed=("tidewire.runner", "tidewire.cli"),
)
STORAGE: Final = Rule(
    "only the chat server knows a provider, a database or settings files",
    these=("tidewire",),
    named=(
        "openai",
        "httpx2",
        "httptools",
        "aiohappyeyeballs",
        "sqlalchemy",
        "alembic",
        "aiosqlite",
        "dotenv",
        "simpleeval",
    ),
    allowed=("tidewire.chat",),
)
CHAT: Final = Rule(
    "nothing but the CLI imports the chat server",
    these=("tidewire", "tidewire_protocol"),
    named=("tidewire.chat",),
    allowed=("tidewire.cli", "tidewire.chat"),
)
CALLS: Final = Rule(
    "procedures and calls know no transport",
    these=CORE,
    named=("tidewire.transports", "tidewire.runner", "starlette", "uvicorn", "websockets"),
)
LOAD: Final = Rule(
    "nothing but the CLI imports the load tester",
    these=("tidewire", "tidewire_protocol"),
    named=("tidewire.load",),
    allowed=("tidewire.cli", "tidewire.load"),
)
LOADING: Final = Rule(
    "the load tester is a client of the wire, and knows no server of ours",
    these=("tidewire.load",),
    named=("starlette", "uvicorn", "tidewire.chat", "tidewire.transports", "tidewire.runner"),
)
RULES: Final = (PROTOCOL, WEB, UVICORN, STORAGE, CHAT, CALLS, LOAD, LOADING)


def under(module: str, roots: tuple[str, ...]) -> bool:
    return any(module == root or module.startswith(f"{root}.") for root in roots)


def breaks(rule: Rule, module: str, imported: str) -> bool:
    if not under(module, rule.these) or under(module, rule.allowed):
        return False
    if rule.named:
        return under(imported, rule.named)
    return not (imported.partition(".")[0] in sys.stdlib_module_names or under(imported, rule.except_for))


# All rules ask the same of the same modules.
@cache
def imports(source: str, module: str, *, is_package: bool) -> frozenset[str]:
    """Every name that `source` imports, absolute; of `from a import b` both `a` and `a.b`, maybe a module."""
    return frozenset(names(source, module if is_package else module.rpartition(".")[0]))


def names(source: str, package: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = absolute(node, package)
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def absolute(node: ast.ImportFrom, package: str) -> str:
    if node.level == 0:
        return node.module or ""
    parents = package.split(".")
    return ".".join([*parents[: len(parents) - node.level + 1], *filter(None, [node.module])])


def offences(rule: Rule, source: str, module: str, *, is_package: bool = False) -> list[str]:
    found = imports(source, module, is_package=is_package)
    return sorted({f"{module} imports {name}" for name in found if breaks(rule, module, name)})


def modules() -> Iterator[tuple[str, Path]]:
    for root in SOURCES:
        for path in root.rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_module_keeps_to_its_side_of_the_wall(rule: Rule) -> None:
    found = [
        offence
        for module, path in modules()
        for offence in offences(rule, path.read_text("utf-8"), module, is_package=path.stem == "__init__")
    ]
    assert found == []


def test_the_walls_are_those_of_modules_that_exist() -> None:
    existing = {module for module, _ in modules()}
    walled = {root for rule in RULES for root in rule.these + rule.allowed}
    assert {root for root in walled if not any(under(name, (root,)) for name in existing)} == set()


@pytest.mark.parametrize(
    ("rule", "module", "source", "offence"),
    [
        (PROTOCOL, "tidewire_protocol.codec", "import json, orjson", "orjson"),
        (PROTOCOL, "tidewire_protocol.codec", "from tidewire import errors", "tidewire"),
        (
            WEB,
            "tidewire.router",
            "def f() -> None:\n    from starlette.routing import Route",
            "starlette.routing",
        ),
        (UVICORN, "tidewire.transports.websocket", "import uvicorn.config", "uvicorn.config"),
        (STORAGE, "tidewire.testing", "if TYPE_CHECKING:\n    import sqlalchemy as sa", "sqlalchemy"),
        (CHAT, "tidewire.calls", "from . import chat", "tidewire.chat"),
        (CHAT, "tidewire.transports.http", "from ..chat.turns import Turn", "tidewire.chat.turns"),
        (CALLS, "tidewire.calls", "from .transports import websocket", "tidewire.transports"),
        (LOAD, "tidewire.testing", "from .load.wire import connect", "tidewire.load.wire"),
        (LOADING, "tidewire.load.run", "from ..chat import app", "tidewire.chat"),
        (LOADING, "tidewire.load.run", "import starlette", "starlette"),
    ],
)
def test_an_import_through_a_wall_is_reported(rule: Rule, module: str, source: str, offence: str) -> None:
    assert f"{module} imports {offence}" in offences(rule, source, module)


@pytest.mark.parametrize(
    ("rule", "module", "source"),
    [
        (PROTOCOL, "tidewire_protocol.codec", "import json\nimport msgspec\nfrom .codes import ErrorCode"),
        (WEB, "tidewire.transports.websocket", "from starlette.websockets import WebSocket"),
        (UVICORN, "tidewire.runner", "import uvicorn"),
        (STORAGE, "tidewire.chat.store.database", "import sqlalchemy"),
        (CHAT, "tidewire.cli", "from tidewire.chat import app"),
        (CALLS, "tidewire.calls", "from .errors import RPCError"),
        (LOAD, "tidewire.cli", "from .load.command import load"),
        (LOADING, "tidewire.load.wire", "import websockets"),
        (WEB, "tidewire.router", "import starlettes"),
    ],
)
def test_an_import_on_the_right_side_is_not_reported(rule: Rule, module: str, source: str) -> None:
    assert offences(rule, source, module) == []
