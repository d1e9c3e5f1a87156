"""Subscriptions over server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from tests.tidewire.transports.http_exchange import WAIT_SECONDS, HTTPExchange
from tidewire import ConnectionInfo, Context, Router, RPCError, SSEOptions, Tracked, create_app, tracked
from tidewire_protocol import CODES


class Log:
    """What the server went through."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.closed = asyncio.Event()
        self.resume = asyncio.Event()


def serve(log: Log | None = None, **options: Any) -> Any:
    seen = log or Log()
    router = Router()

    @router.subscription
    async def count(to: int = 2, *, last_event_id: str | None = None) -> AsyncIterator[Tracked[int]]:
        for number in range(int(last_event_id or 0) + 1, to + 1):
            yield tracked(str(number), number)

    @router.subscription
    async def strict(*, last_event_id: str | None = None) -> AsyncIterator[str | None]:
        yield last_event_id

    @router.subscription
    async def mixed() -> AsyncIterator[Any]:
        yield tracked("1", "a")
        yield "b"

    @router.subscription
    async def hold() -> AsyncIterator[int]:
        seen.begun.set()
        try:
            yield 1
            await seen.resume.wait()
            yield 2
        finally:
            seen.closed.set()

    @router.subscription
    async def flood() -> AsyncIterator[str]:
        try:
            while True:
                yield "x" * 100_000
        finally:
            seen.closed.set()

    @router.subscription
    async def burst(events: int) -> AsyncIterator[str]:
        for _ in range(events):
            yield "x" * 100_000

    @router.subscription
    async def fail() -> AsyncIterator[int]:
        yield 1
        raise RPCError("CONFLICT", "line\nbreak")

    @router.subscription
    async def crash() -> AsyncIterator[int]:
        yield 1
        raise RuntimeError("a secret")

    @router.subscription
    async def unsendable() -> AsyncIterator[Any]:
        yield 1 + 2j

    @router.subscription
    async def cancelled() -> AsyncIterator[int]:
        yield 1
        raise asyncio.CancelledError

    @router.subscription
    async def slow_to_start() -> AsyncIterator[int]:
        raise TimeoutError("of its own")

    @router.subscription
    async def broken_id() -> AsyncIterator[Any]:
        yield Tracked("a\nevent: return", 1)

    @router.subscription
    async def params(ctx: Context) -> AsyncIterator[Any]:
        yield [ctx.connection.transport, ctx.connection.connection_params]

    return create_app(router, **options)


def stream(app: Any, target: str, **headers: str) -> HTTPExchange:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return HTTPExchange(app, "GET", f"/api/trpc/{target}", headers=given)


async def read(app: Any, target: str, **headers: str) -> str:
    """Read a stream that ends by itself."""
    async with stream(app, target, **headers) as exchange:
        assert await exchange.start() == 200
        return (await exchange.rest()).decode()


CONNECTED = "event: connected\ndata: {}\n\n\n"
RETURN = "event: return\ndata: \n\n\n"


async def test_a_stream_says_connected_and_return_around_its_events() -> None:
    events = "data: 1\nid: 1\n\n\ndata: 2\nid: 2\n\n\n"
    assert await read(serve(), "count") == CONNECTED + events + RETURN


async def test_an_event_without_an_id_leaves_the_cursor_where_it_is() -> None:
    events = 'data: "a"\nid: 1\n\n\ndata: "b"\nid: \n\n\nevent: restore-id\ndata: \nid: 1\n\n\n'
    assert await read(serve(), "mixed") == CONNECTED + events + RETURN


async def test_its_headers_are_those_of_an_event_stream() -> None:
    async with stream(serve(), "count") as exchange:
        await exchange.start()
        assert dict(exchange.headers) == {
            "vary": "trpc-accept, accept",
            "cache-control": "no-cache, no-transform",
            "content-type": "text/event-stream",
            "x-accel-buffering": "no",
        }


async def test_an_event_is_sent_while_the_next_one_is_waited_for() -> None:
    log = Log()
    async with stream(serve(log), "hold") as exchange:
        await exchange.start()
        assert b"data: 2" not in await exchange.until(b"data: 1\n\n\n")
        log.resume.set()
        assert (await exchange.rest()).decode() == f"data: 2\n\n\n{RETURN}"


@pytest.mark.parametrize(
    ("target", "headers", "last_event_id"),
    [
        ("strict", {}, "null"),
        ("strict?lastEventId=1", {}, '"1"'),
        ("strict?Last-Event-Id=2", {}, '"2"'),
        ("strict?lastEventId=1&Last-Event-Id=2", {}, '"1"'),
        ("strict?lastEventId=1", {"last_event_id": "3"}, '"3"'),
        ("strict?input={%22lastEventId%22:%224%22}", {}, '"4"'),
        ("strict?input={%22lastEventId%22:%224%22}", {"last_event_id": "3"}, '"3"'),
        ("strict?lastEventId=", {}, "null"),
    ],
)
async def test_the_last_event_id_is_the_requests_before_the_inputs(
    target: str, headers: dict[str, str], last_event_id: str
) -> None:
    assert f"data: {last_event_id}\n" in await read(serve(), target, **headers)


async def test_a_stream_resumes_after_the_last_event_id() -> None:
    assert "data: 3\nid: 3\n\n\n" + RETURN in await read(
        serve(), "count?input={%22to%22:3}", last_event_id="2"
    )


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("fail", "CONFLICT", "line\\nbreak"),
        ("crash", "INTERNAL_SERVER_ERROR", "Internal server error"),
        ("unsendable", "INTERNAL_SERVER_ERROR", "Internal server error"),
        ("cancelled", "INTERNAL_SERVER_ERROR", "Internal server error"),
        ("slowToStart", "INTERNAL_SERVER_ERROR", "Internal server error"),
        ("brokenId", "INTERNAL_SERVER_ERROR", "Internal server error"),
        ("count?input=1", "BAD_REQUEST", "Expected `object`, got `int`"),
    ],
)
async def test_a_failure_is_the_last_event(path: str, code: str, message: str) -> None:
    text = await read(serve(), path)
    *_, event, data = text.rstrip("\n").splitlines()
    assert event == "event: serialized-error"
    assert f'"message":"{message}' in data
    assert f'"code":"{code}"' in data
    assert RETURN not in text


def numbers_of_errors(**options: Any) -> Any:
    """Serve a subscription for each error code, and one with a bug."""
    router = Router()

    def failing(error: Exception) -> Any:
        async def fail() -> AsyncIterator[int]:
            yield 1
            raise error

        return fail

    for code in CODES:
        router.subscription(name=code.lower())(failing(RPCError(code)))
    router.subscription(name="bug")(failing(RuntimeError("a secret")))
    return create_app(router, on_error=lambda report: None, **options)


async def number_of(app: Any, path: str) -> int:
    number: int = json.loads((await read(app, path)).rpartition("data: ")[2])["code"]
    return number


async def test_only_errors_that_pass_have_the_number_that_clients_retry() -> None:
    app = numbers_of_errors()
    numbers = {code: await number_of(app, code.lower()) for code in CODES}
    assert {code for code, number in numbers.items() if number == -32603} == {
        "BAD_GATEWAY",
        "SERVICE_UNAVAILABLE",
        "GATEWAY_TIMEOUT",
    }
    final = {"INTERNAL_SERVER_ERROR", "NOT_IMPLEMENTED"}
    assert {code for code, number in numbers.items() if number == -32000} == final
    assert await number_of(app, "bug") == -32000


async def test_clients_retry_internal_errors_where_that_is_asked_for() -> None:
    app = numbers_of_errors(sse=SSEOptions(retry_internal_errors=True))
    numbers = {code: await number_of(app, code.lower()) for code in CODES}
    assert numbers == {code: number.jsonrpc for code, number in CODES.items()}
    assert await number_of(app, "bug") == -32603


async def test_a_number_of_the_formatters_own_is_left_alone() -> None:
    app = numbers_of_errors(error_formatter=lambda shape, report: {**shape, "code": 7})
    assert await number_of(app, "bug") == 7


async def test_a_refused_context_is_an_error_in_the_stream() -> None:
    def refuse(connection: ConnectionInfo) -> Context:
        raise RPCError("UNAUTHORIZED", "who?")

    text = await read(serve(context=refuse), "count")
    assert text.startswith(CONNECTED + "event: serialized-error\n")
    assert '"code":"UNAUTHORIZED"' in text


async def test_connection_params_come_in_the_query() -> None:
    text = await read(serve(), "params?connectionParams={%22token%22:%22t%22}")
    assert 'data: ["sse",{"token":"t"}]\n' in text


async def test_pings_fill_a_pause() -> None:
    log = Log()
    async with stream(serve(log, sse=SSEOptions(ping_interval=0.01)), "hold") as exchange:
        await exchange.start()
        await exchange.until(b"event: ping\ndata: \n\n\nevent: ping\ndata: \n\n\n")
        log.resume.set()
        await exchange.until(b"data: 2\n\n\n")


async def test_the_client_is_told_when_to_reconnect() -> None:
    options = SSEOptions(reconnect_after_inactivity=1.5)
    text = await read(serve(sse=options), "count")
    assert text.startswith('event: connected\ndata: {"reconnectAfterInactivityMs":1500}\n\n\n')


async def test_the_client_is_told_how_long_to_wait_before_it_reconnects() -> None:
    text = await read(serve(sse=SSEOptions(reconnect_pause=0.25)), "count")
    assert text.startswith("event: connected\ndata: {}\nretry: 250\n\n\n")


def test_pings_must_be_more_frequent_than_reconnects() -> None:
    with pytest.raises(ValueError, match="ping_interval must not be longer"):
        SSEOptions(ping_interval=2, reconnect_after_inactivity=1)


async def test_at_its_longest_duration_a_stream_ends_without_return() -> None:
    log = Log()
    text = await read(serve(log, sse=SSEOptions(max_duration=0.01)), "hold")
    assert text == CONNECTED + "data: 1\n\n\n"
    assert log.closed.is_set()


async def test_a_disconnect_closes_the_subscription() -> None:
    log = Log()
    async with stream(serve(log), "hold") as exchange:
        await exchange.start()
        await asyncio.wait_for(log.begun.wait(), WAIT_SECONDS)
        exchange.disconnect()
        await exchange.ended()
    assert log.closed.is_set()


async def test_events_that_come_faster_than_they_are_sent_all_arrive() -> None:
    text = await read(serve(), "burst?input={%22events%22:50}")
    assert text == CONNECTED + f'data: "{"x" * 100_000}"\n\n\n' * 50 + RETURN


async def test_a_subscription_waits_for_a_client_that_does_not_read() -> None:
    log = Log()
    taken = asyncio.Event()
    app = serve(log)
    sent: list[int] = []

    async def stuck(scope: Any, receive: Any, send: Any) -> None:
        async def send_slowly(message: Any) -> None:
            if len(message.get("body", b"")) > 1000:
                sent.append(len(message["body"]))
                taken.set()
                await asyncio.Event().wait()
            await send(message)

        await app(scope, receive, send_slowly)

    async with stream(stuck, "flood") as exchange:
        await asyncio.wait_for(taken.wait(), WAIT_SECONDS)
        exchange.disconnect()
        await exchange.ended()
    assert log.closed.is_set()
    assert sum(sent) < 2 << 20


async def test_a_stream_that_is_ended_before_it_has_begun_is_no_error_to_its_client() -> None:
    asked = asyncio.Event()

    async def make_context(connection: ConnectionInfo) -> Context:
        asked.set()
        await asyncio.Event().wait()
        return Context(connection)

    app = serve(context=make_context)

    async def ended_early(scope: Scope, receive: Receive, send: Send) -> None:
        serving = asyncio.create_task(app(scope, receive, send))
        await asyncio.wait_for(asked.wait(), WAIT_SECONDS)
        serving.cancel()
        await asyncio.wait({serving})

    async with stream(ended_early, "hold") as exchange:
        assert await exchange.start() == 200
        assert ("content-type", "text/event-stream") in exchange.headers
