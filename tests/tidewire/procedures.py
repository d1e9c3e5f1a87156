"""Types to take and to give, and how a test declares a procedure and asks it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec
import pytest

from tidewire import Router
from tidewire.testing import CallError, Client
from tidewire_protocol import CallKind


class Settings(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    temperature: float = 1.0
    model_name: str = "tide"


class Text(msgspec.Struct, tag="text"):
    text: str


class Image(msgspec.Struct, tag="image"):
    url: str


class Point(msgspec.Struct, frozen=True):
    x: int
    y: int = 0


@dataclass
class Size:
    width: int


class Color(Enum):
    RED = "red"


class Tree(msgspec.Struct):
    leaves: "list[Tree]" = []


def declare(kind: CallKind, function: Callable[..., Any]) -> Router:
    router = Router()
    {"query": router.query, "mutation": router.mutation, "subscription": router.subscription}[kind](function)
    return router


async def ask(router: Router, path: str, input: Any = ...) -> Any:
    async with Client(router) as client:
        return await client.query(path, input)


async def refusal(router: Router, path: str, input: Any = ...) -> tuple[str, str]:
    with pytest.raises(CallError) as refused:
        await ask(router, path, input)
    return refused.value.code, str(refused.value)
