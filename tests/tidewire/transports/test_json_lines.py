"""Batches as JSON lines: each line is sent when it is there."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from tests.tidewire.transports.http_exchange import WAIT_SECONDS, HTTPExchange, ask, error_of
from tidewire import Router, RPCError, create_app

LINES = {"trpc-accept": "application/jsonl"}
HEAD_OF_TWO = {"0": [[0], [None, 0, 0]], "1": [[0], [None, 0, 1]]}


class Door:
    """What a call waits at, and what became of it."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.reached = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def passed(self, value: Any = "passed") -> Any:
        self.reached.set()
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return value


def serve(door: Door, **options: Any) -> Any:
    router = Router()

    @router.query
    async def fast() -> str:
        return "fast"

    @router.query
    async def slow() -> Any:
        return await door.passed()

    @router.query
    async def big(size: int) -> str:
        return "x" * size

    @router.query
    async def parts() -> Any:
        return {"now": 1, "later": door.passed(), "numbers": numbers()}

    @router.query
    async def stream() -> Any:
        return numbers()

    @router.query
    async def promise() -> Any:
        return {"outer": outer()}

    @router.query
    async def failures() -> Any:
        return {"promise": refused(), "stream": failing()}

    @router.query
    async def refuse() -> None:
        raise RPCError("CONFLICT", "no")

    @router.query
    async def unsendable() -> Any:
        return 1 + 2j

    @router.query
    async def cancelled() -> None:
        raise asyncio.CancelledError

    @router.query
    async def waiting() -> Any:
        return waits()

    async def waits() -> AsyncIterator[Any]:
        yield "first"
        yield await door.passed()

    @router.mutation
    async def save() -> Any:
        return await door.passed()

    return create_app(router, **options)


async def numbers() -> AsyncIterator[int]:
    yield 1
    yield 2


async def outer() -> Any:
    return {"inner": inner()}


async def inner() -> str:
    return "inner"


async def refused() -> None:
    raise RPCError("CONFLICT", "no")


async def failing() -> AsyncIterator[int]:
    yield 1
    raise RuntimeError("a secret")


def batch(app: Any, paths: str, query: str = "", *, method: str = "GET") -> HTTPExchange:
    headers = {**LINES, "content-type": "application/json"}
    return HTTPExchange(app, method, f"/api/trpc/{paths}?batch=1{query}", headers=headers)


async def read_lines(app: Any, paths: str, query: str = "") -> list[Any]:
    async with batch(app, paths, query) as exchange:
        assert await exchange.start() == 200
        return [json.loads(line) for line in (await exchange.rest()).splitlines()]


async def test_a_fast_call_is_answered_before_a_slow_one() -> None:
    door = Door()
    async with batch(serve(door), "slow,fast") as exchange:
        assert await exchange.start() == 200
        assert ("content-type", "application/json") in exchange.headers
        assert not any(name == "content-length" for name, _ in exchange.headers)
        begun = await exchange.until(b'"fast"')
        assert json.loads(begun.splitlines()[0]) == HEAD_OF_TWO
        assert b"passed" not in begun
        door.opened.set()
        assert b'"passed"' in await exchange.rest()


async def test_the_lines_nest_as_clients_expect() -> None:
    lines = await read_lines(serve(Door()), "fast")
    assert lines == [
        {"0": [[0], [None, 0, 0]]},
        [0, 0, [[{"result": 0}], ["result", 0, 1]]],
        [1, 0, [[{"data": 0}], ["data", 0, 2]]],
        [2, 0, [["fast"]]],
    ]


async def test_parts_of_a_result_come_when_they_are_there() -> None:
    door = Door()
    async with batch(serve(door), "parts") as exchange:
        await exchange.start()
        begun = await exchange.until(b",0,[[]]]")
        assert b'{"now":1,"later":0,"numbers":0}' in begun
        assert b"passed" not in begun
        door.opened.set()
        assert b'[["passed"]]' in await exchange.rest()


async def test_a_result_may_be_a_stream() -> None:
    *_, announced, first, second, end = await read_lines(serve(Door()), "stream")
    assert announced == [2, 0, [[0], [None, 1, 3]]]
    assert [first, second, end] == [[3, 1, [[1]]], [3, 1, [[2]]], [3, 0, [[]]]]


async def test_what_is_awaited_may_hold_more_to_await() -> None:
    lines = await read_lines(serve(Door()), "promise")
    assert lines[-1] == [4, 0, [["inner"]]]
    assert lines[-2] == [3, 0, [[{"inner": 0}], ["inner", 0, 4]]]


async def test_an_error_of_a_call_is_in_place_of_its_result() -> None:
    _, *lines = await read_lines(serve(Door()), "refuse,nope")
    errors = {chunk: error_of(settled) for chunk, _, [[settled]] in lines}
    assert errors == {0: ("CONFLICT", "no"), 1: ("NOT_FOUND", 'No procedure found on path "nope"')}


async def test_an_error_of_a_part_is_the_end_of_its_chunk() -> None:
    lines = await read_lines(serve(Door()), "failures")
    ends = {tuple(line[:2]): line[2] for line in lines[1:]}
    assert ends[3, 1]["data"] == {"code": "CONFLICT", "httpStatus": 409, "path": "failures"}
    assert ends[4, 2]["message"] == "Internal server error"


async def test_a_part_that_cannot_be_sent_is_an_error_of_its_chunk() -> None:
    lines = await read_lines(serve(Door()), "unsendable,fast")
    [error] = [line[2] for line in lines[1:] if line[1] == 1]
    assert (error["message"], error["data"]["path"]) == ("Internal server error", "unsendable")
    assert any(line[2] == [["fast"]] for line in lines[1:])


async def test_a_procedure_that_is_cancelled_by_itself_is_an_error() -> None:
    lines = await read_lines(serve(Door()), "cancelled,fast")
    errors = [line[2][0][0] for line in lines[1:] if "error" in str(line)]
    assert [error_of(error) for error in errors] == [("INTERNAL_SERVER_ERROR", "Internal server error")]
    assert any(line[2] == [["fast"]] for line in lines[1:])


async def test_results_of_many_megabytes_in_one_batch_all_arrive() -> None:
    size = 300_000
    inputs = json.dumps({str(index): {"size": size} for index in range(20)})
    lines = await read_lines(serve(Door()), ",".join(["big"] * 20), f"&input={inputs}")
    assert sum(line[2] == [["x" * size]] for line in lines[1:]) == 20
    announced = set(range(20))
    for line in lines[1:]:
        assert line[0] in announced, "a chunk came before it was announced"
        announced |= {number for _, _, number in line[2][1:]}


async def test_a_ping_fills_a_pause() -> None:
    door = Door()
    async with batch(serve(door, jsonl_ping_interval=0.01), "slow") as exchange:
        await exchange.start()
        await exchange.until(b"\n  ")
        door.opened.set()
        assert json.loads((await exchange.rest()).splitlines()[-1]) == [2, 0, [["passed"]]]


async def test_without_pings_a_pause_is_silent() -> None:
    door = Door()
    async with batch(serve(door), "slow,fast") as exchange:
        await exchange.start()
        await exchange.until(b'"fast"')
        door.opened.set()
        assert not (await exchange.rest()).startswith(b" ")


async def test_json_lines_are_for_batches_only() -> None:
    status, answer = await ask(serve(Door()), "GET", "/api/trpc/fast", headers=LINES)
    said = "Streaming requests must be batched (you can do a batch of 1)"
    assert (status, error_of(answer)) == (400, ("BAD_REQUEST", said))


async def test_without_json_lines_a_result_that_streams_is_refused() -> None:
    for path in ("stream", "parts", "promise"):
        status, answer = await ask(serve(Door()), "GET", f"/api/trpc/{path}")
        assert status == 415
        assert error_of(answer)[0] == "UNSUPPORTED_MEDIA_TYPE"


async def test_a_disconnect_cancels_queries() -> None:
    door = Door()
    async with batch(serve(door), "slow,fast") as exchange:
        await exchange.start()
        await asyncio.wait_for(door.reached.wait(), WAIT_SECONDS)
        exchange.disconnect()
        await exchange.ended()
    assert door.cancelled.is_set()


async def test_a_disconnect_cancels_the_parts_of_a_result() -> None:
    for path in ("parts", "waiting"):
        door = Door()
        async with batch(serve(door), path) as exchange:
            await exchange.start()
            await asyncio.wait_for(door.reached.wait(), WAIT_SECONDS)
            exchange.disconnect()
            await exchange.ended()
        assert door.cancelled.is_set()


async def test_a_mutation_outlives_its_client() -> None:
    door = Door()
    async with batch(serve(door), "save", method="POST") as exchange:
        await exchange.start()
        await asyncio.wait_for(door.reached.wait(), WAIT_SECONDS)
        exchange.disconnect()
        door.opened.set()
        assert b'"passed"' in await exchange.rest()
    assert not door.cancelled.is_set()
