"""What becomes of calls whose client goes away, or that are cancelled otherwise."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.tidewire.transports.http_exchange import WAIT_SECONDS, HTTPExchange, ask, error_of
from tidewire import ByteStream, ConnectionInfo, Context, ErrorReport, Form, Router, create_app

JSON = {"content-type": "application/json"}


class Calls:
    """A router whose calls wait, and what became of them."""

    def __init__(self) -> None:
        self.begun = asyncio.Semaphore(0)
        self.resume = asyncio.Event()
        self.ends: list[str] = []
        self.reports: list[ErrorReport] = []
        self.router = Router()
        self.router.query(name="read")(self._waiting())
        self.router.mutation(name="write")(self._waiting())
        self.router.subscription(name="feed")(self._streaming())

    def app(self, **options: Any) -> Any:
        return create_app(self.router, on_error=self.reports.append, **options)

    async def reached(self, times: int = 1) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            for _ in range(times):
                await self.begun.acquire()

    async def wait(self) -> str:
        self.begun.release()
        try:
            await self.resume.wait()
        except asyncio.CancelledError:
            self.ends.append("cancelled")
            raise
        self.ends.append("done")
        return "done"

    def _waiting(self) -> Any:
        async def waiting(input: Any = None) -> str:
            return await self.wait()

        return waiting

    def _streaming(self) -> Any:
        async def streaming() -> AsyncIterator[str]:
            yield "begun"
            yield await self.wait()

        return streaming


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "read"),
        ("GET", "read?batch=1"),
        ("GET", "feed"),
        ("POST", "read"),
        ("POST", "read,read?batch=1"),
        ("POST", "feed"),
    ],
)
async def test_a_disconnect_cancels_what_only_reads(method: str, target: str) -> None:
    calls = Calls()
    app = calls.app(allow_method_override=True)
    async with HTTPExchange(app, method, f"/api/trpc/{target}", headers=JSON) as exchange:
        await calls.reached()
        exchange.disconnect()
        await exchange.ended()
    assert set(calls.ends) == {"cancelled"}
    assert calls.reports == []


@pytest.mark.parametrize("target", ["write", "write?batch=1"])
async def test_a_mutation_runs_to_its_end_without_its_client(target: str) -> None:
    calls = Calls()
    async with HTTPExchange(calls.app(), "POST", f"/api/trpc/{target}", headers=JSON) as exchange:
        await calls.reached()
        exchange.disconnect()
        calls.resume.set()
        await exchange.ended()
    assert calls.ends == ["done"]


@pytest.mark.parametrize("last", [True, False])
async def test_a_query_by_post_does_not_lose_its_body_to_the_watch_for_a_disconnect(last: bool) -> None:
    calls = Calls()
    calls.resume.set()
    app = calls.app(allow_method_override=True)
    async with HTTPExchange(app, "POST", "/api/trpc/read", headers=JSON, body=None) as exchange:
        exchange.feed(b'{"a"')
        exchange.feed(b":1}", last=last)
        if not last:
            exchange.feed(b"", last=True)
        assert await exchange.start() == 200
        assert await exchange.rest() == b'{"result":{"data":"done"}}'


@pytest.mark.parametrize("method", ["write", "read"])
async def test_a_body_that_is_cut_off_is_the_clients_fault(method: str) -> None:
    calls = Calls()
    app = calls.app(allow_method_override=True)
    async with HTTPExchange(app, "POST", f"/api/trpc/{method}", headers=JSON, body=None) as exchange:
        exchange.feed(b'{"a"')
        exchange.disconnect()
        await exchange.ended()
    assert {report.error.code for report in calls.reports} <= {"CLIENT_CLOSED_REQUEST"}
    assert calls.ends == []


@pytest.mark.parametrize("content_type", ["application/octet-stream", "multipart/form-data; boundary=x"])
async def test_an_upload_that_is_cut_off_is_the_clients_fault(content_type: str) -> None:
    router = Router()
    reports: list[ErrorReport] = []

    @router.mutation
    async def upload(input: ByteStream) -> bytes:
        return await input.read()

    @router.mutation
    async def form(input: Form) -> int:
        return len(list(input))

    app = create_app(router, on_error=reports.append)
    path = "form" if "form" in content_type else "upload"
    headers = {"content-type": content_type}
    async with HTTPExchange(app, "POST", f"/api/trpc/{path}", headers=headers, body=None) as exchange:
        exchange.feed(b"--x\r\n")
        exchange.disconnect()
        await exchange.ended()
    assert [report.error.code for report in reports] == ["CLIENT_CLOSED_REQUEST"]


async def test_a_procedure_that_is_cancelled_by_itself_is_an_error_of_its_call() -> None:
    router = Router()

    @router.query
    async def lost() -> None:
        raise asyncio.CancelledError

    @router.query
    async def found() -> int:
        return 1

    status, answer = await ask(create_app(router), "GET", "/api/trpc/lost,found?batch=1")
    assert status == 207
    assert error_of(answer[0]) == ("INTERNAL_SERVER_ERROR", "Internal server error")
    assert answer[1] == {"result": {"data": 1}}


async def test_a_client_that_leaves_before_the_context_is_there_runs_nothing() -> None:
    calls = Calls()
    ends: list[str] = []
    asked = asyncio.Event()

    async def make_context(connection: ConnectionInfo) -> Context:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("context")
        return Context(connection)

    async with HTTPExchange(calls.app(context=make_context), "GET", "/api/trpc/read") as exchange:
        await asyncio.wait_for(asked.wait(), WAIT_SECONDS)
        exchange.disconnect()
        await exchange.ended()
    assert (ends, calls.ends) == (["context"], [])


@pytest.mark.parametrize("target", ["read", "read,read?batch=1", "feed"])
@pytest.mark.parametrize("accept", ["*/*", "application/jsonl"])
async def test_no_task_is_left_of_many_requests_that_were_given_up(target: str, accept: str) -> None:
    calls = Calls()
    app = calls.app()
    before = asyncio.all_tasks()
    times = 200

    async def give_up() -> None:
        headers = {"trpc-accept": accept}
        async with HTTPExchange(app, "GET", f"/api/trpc/{target}", headers=headers) as exchange:
            exchange.disconnect()
            await exchange.ended()

    await asyncio.gather(*(give_up() for _ in range(times)))
    assert asyncio.all_tasks() == before
    assert set(calls.ends) <= {"cancelled"}


@pytest.mark.parametrize(
    ("method", "target", "accept"),
    [
        ("GET", "read", "*/*"),
        ("GET", "read?batch=1", "application/jsonl"),
        ("POST", "write", "*/*"),
        ("POST", "write?batch=1", "application/jsonl"),
    ],
)
async def test_a_shutdown_waits_for_calls(method: str, target: str, accept: str) -> None:
    calls = Calls()
    app = calls.app()
    headers = {**JSON, "trpc-accept": accept}
    async with HTTPExchange(app, method, f"/api/trpc/{target}", headers=headers) as exchange:
        await calls.reached()
        closing = asyncio.create_task(app.state.endpoint.dispatcher.close(WAIT_SECONDS))
        await asyncio.sleep(0)
        assert not closing.done()
        calls.resume.set()
        assert await exchange.start() == 200
        assert b'"done"' in await exchange.rest()
        await closing
    assert calls.ends == ["done"]


@pytest.mark.parametrize(("method", "target"), [("GET", "read"), ("POST", "write?batch=1")])
async def test_a_call_that_a_shutdown_cancels_says_so(method: str, target: str) -> None:
    calls = Calls()
    app = calls.app()
    async with HTTPExchange(app, method, f"/api/trpc/{target}", headers=JSON) as exchange:
        await calls.reached()
        await app.state.endpoint.dispatcher.close(0)
        assert await exchange.start() == 503
        answer = json.loads(await exchange.rest())
    assert error_of(answer) == ("SERVICE_UNAVAILABLE", "The server is shutting down")
    assert calls.ends == ["cancelled"]


async def test_lines_that_a_shutdown_cancels_just_end() -> None:
    calls = Calls()
    app = calls.app()
    headers = {"trpc-accept": "application/jsonl"}
    async with HTTPExchange(app, "GET", "/api/trpc/read?batch=1", headers=headers) as exchange:
        await calls.reached()
        assert await exchange.start() == 200
        await app.state.endpoint.dispatcher.close(0)
        assert b'"done"' not in await exchange.rest()


async def test_a_shutdown_does_not_wait_for_event_streams() -> None:
    calls = Calls()
    app = calls.app()
    async with HTTPExchange(app, "GET", "/api/trpc/feed") as exchange:
        await calls.reached()
        await app.state.endpoint.dispatcher.close(WAIT_SECONDS)
        calls.resume.set()
        assert await exchange.start() == 200
        assert b'"done"' in await exchange.until(b"event: return")
