"""Clients over HTTP that do not read what they are sent."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from tests.tidewire.transports.http_exchange import WAIT_SECONDS, HTTPExchange
from tidewire import Router
from tidewire.dispatcher import Dispatcher
from tidewire.transports.http import HTTPHandler
from tidewire.transports.response import ABORT_EXTENSION, PIECE_BYTES

JSON = {"content-type": "application/json"}
LINES = {"trpc-accept": "application/jsonl"}
LARGE = "x" * (1 << 20)


class Stuck:
    """A server that cannot get rid of more than a megabyte, and serves `router`."""

    def __init__(self, *, can_abort: bool, room: int = 1 << 20) -> None:
        self.closed = asyncio.Event()
        self.saved = asyncio.Event()
        self.aborted = False
        self.taken = 0
        self._room = room
        self._can_abort = can_abort
        self._handler = HTTPHandler(Dispatcher(self._router(), stuck_timeout=0.05))
        self._exchange: HTTPExchange

    def _router(self) -> Router:
        router = Router()

        @router.query
        async def large() -> str:
            return LARGE * 2

        @router.subscription
        async def flood() -> AsyncIterator[str]:
            try:
                while True:
                    yield "x" * 50_000
            finally:
                self.closed.set()

        @router.query
        async def lines() -> AsyncIterator[str]:
            try:
                while True:
                    yield "x" * 50_000
            finally:
                self.closed.set()

        @router.mutation
        async def save() -> AsyncIterator[str]:
            for _ in range(100):
                yield "x" * 50_000
            self.saved.set()

        return router

    async def ask(self, method: str, target: str, **headers: str) -> None:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        extensions: dict[str, Any] = {ABORT_EXTENSION: self._abort} if self._can_abort else {}
        async with HTTPExchange(self, method, target, headers=given, extensions=extensions) as exchange:
            self._exchange = exchange
            await exchange.ended()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_while_there_is_room(message: Message) -> None:
            size = len(message.get("body", b""))
            assert size <= PIECE_BYTES
            if self.taken + size > self._room and not self.aborted:
                await asyncio.Event().wait()
            self.taken += size
            await send(message)

        await self._handler.serve(scope, receive, send_while_there_is_room, scope["path"])

    def _abort(self) -> None:
        self.aborted = True
        self._exchange.disconnect()


@pytest.mark.parametrize("can_abort", [True, False])
@pytest.mark.parametrize(
    ("target", "headers"),
    [("/flood", {}), ("/lines?batch=1", LINES), ("/large", {}), ("/large?batch=1", LINES)],
)
async def test_a_client_that_is_stuck_is_cut_off(
    target: str, headers: dict[str, str], can_abort: bool
) -> None:
    server = Stuck(can_abort=can_abort)
    await server.ask("GET", target, **headers)
    assert server.aborted == can_abort
    assert server.closed.is_set() == ("large" not in target)


@pytest.mark.parametrize("can_abort", [True, False])
async def test_a_mutation_runs_to_its_end_though_its_client_is_stuck(can_abort: bool) -> None:
    server = Stuck(can_abort=can_abort)
    await server.ask("POST", "/save?batch=1", **JSON, **LINES)
    assert server.aborted == can_abort
    assert server.saved.is_set()


async def test_a_client_that_is_only_slow_gets_all_of_it() -> None:
    router = Router()

    @router.query
    async def large() -> str:
        return LARGE

    handler = HTTPHandler(Dispatcher(router, stuck_timeout=WAIT_SECONDS))
    pieces: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_slowly(message: Message) -> None:
            await asyncio.sleep(0)
            pieces.append(message.get("body", b""))
            await send(message)

        await handler.serve(scope, receive, send_slowly, scope["path"])

    async with HTTPExchange(app, "GET", "/large") as exchange:
        await exchange.start()
        assert json.loads(await exchange.rest()) == {"result": {"data": LARGE}}
    assert max(map(len, pieces)) == PIECE_BYTES


async def test_what_an_application_raises_as_a_time_out_is_its_own() -> None:
    handler = HTTPHandler(Dispatcher(Router(), stuck_timeout=WAIT_SECONDS))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def fail(message: Message) -> None:
            raise TimeoutError("of its own")

        await handler.serve(scope, receive, fail, scope["path"])

    exchange = HTTPExchange(app, "GET", "/nope")
    with pytest.raises(TimeoutError, match="of its own"):
        async with exchange:
            await exchange.ended()
