"""Procedures of a module whose annotations are text until somebody resolves them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from tidewire import Context, DeclarationError, Router, Tracked, tracked
from tidewire.testing import CallError, Client

router = Router()


class Config(msgspec.Struct):
    temperature: float
    parent: Config | None = None


Limit = Annotated[int, Meta(ge=1)]


@router.query
async def configure(ctx: Context, config: Config | None = None, limit: Limit = 1) -> Config | None:
    return config


@router.subscription
async def count(limit: Limit, *, last_event_id: str | None = None) -> AsyncIterator[Tracked[int]]:
    for number in range(int(last_event_id or 0) + 1, limit + 1):
        yield tracked(str(number), number)


async def test_inputs_and_outputs_are_resolved() -> None:
    config = {"temperature": 1.0, "parent": {"temperature": 2.0, "parent": None}}
    async with Client(router) as client:
        assert await client.query("configure", {"config": config}) == config


async def test_constraints_are_resolved() -> None:
    async with Client(router) as client:
        with pytest.raises(CallError, match=r"Expected `int` >= 1 - at `input\.limit`"):
            await client.query("configure", {"limit": 0})


async def test_events_are_resolved() -> None:
    async with Client(router) as client, client.subscribe("count", {"limit": 3}, last_event_id="1") as events:
        assert [event async for event in events] == [Tracked("2", 2), Tracked("3", 3)]


def test_a_local_type_that_cannot_be_resolved_is_named() -> None:
    class Local(msgspec.Struct):
        pass

    async def local(value: Local) -> None: ...

    with pytest.raises(DeclarationError, match=r"<locals>\.local: .* name 'Local' is not defined"):
        Router().query(local)
