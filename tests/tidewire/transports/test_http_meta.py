"""What an application does with requests and answers: context, cookies, headers, CORS, origins."""

import logging
from typing import Any

import pytest
from starlette.middleware.cors import CORSMiddleware
from starlette.testclient import TestClient

from tests.tidewire.transports.http_exchange import error_of
from tidewire import (
    ConnectionInfo,
    Context,
    ResponseInfo,
    ResponseMeta,
    Router,
    RPCError,
    create_app,
)

JSON = {"content-type": "application/json"}
PAGE = "https://app.example.com"

router = Router()


@router.query
async def who(ctx: Context) -> Any:
    connection = ctx.connection
    return {
        "transport": connection.transport,
        "url": connection.url,
        "agent": connection.headers.get("user-agent"),
        "cookie": connection.cookies.get("session"),
        "client": connection.client,
        "params": connection.connection_params,
    }


@router.query
async def fail() -> None:
    raise RPCError("CONFLICT", "no")


@router.mutation
async def save() -> int:
    return 1


# ---------- the context


def test_the_context_knows_the_request() -> None:
    client = TestClient(create_app(router), headers={"user-agent": "test"}, cookies={"session": "s"})
    assert client.get('/api/trpc/who?connectionParams={"a":"b"}').json()["result"]["data"] == {
        "transport": "http",
        "url": "http://testserver/api/trpc/who?connectionParams={%22a%22:%22b%22}",
        "agent": "test",
        "cookie": "s",
        "client": "testclient:50000",
        "params": {"a": "b"},
    }


def test_one_context_is_made_for_all_calls_of_a_request() -> None:
    made: list[ConnectionInfo] = []

    async def make_context(connection: ConnectionInfo) -> Context:
        made.append(connection)
        return Context(connection)

    client = TestClient(create_app(router, context=make_context))
    assert len(client.get("/api/trpc/who,who,who?batch=1").json()) == 3
    assert len(made) == 1


@pytest.mark.parametrize(
    ("error", "status", "code", "message"),
    [
        (RPCError("UNAUTHORIZED", "who?"), 401, "UNAUTHORIZED", "who?"),
        (RuntimeError("a secret"), 500, "INTERNAL_SERVER_ERROR", "Internal server error"),
    ],
)
def test_without_a_context_every_call_says_why(
    error: Exception, status: int, code: str, message: str
) -> None:
    def make_context(connection: ConnectionInfo) -> Context:
        raise error

    client = TestClient(create_app(router, context=make_context))
    answer = client.get("/api/trpc/who,fail?batch=1")
    assert answer.status_code == status
    assert [error_of(part) for part in answer.json()] == [(code, message)] * 2
    # Nothing that needs no context is hidden by it.
    assert client.get("/api/trpc/nope").status_code == 404


# ---------- the head of the answer


def test_an_application_sets_the_status_and_adds_headers() -> None:
    seen: list[ResponseInfo] = []

    def meta(info: ResponseInfo) -> ResponseMeta:
        seen.append(info)
        return ResponseMeta(
            status=202, headers=[("cache-control", "no-store"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]
        )

    answer = TestClient(create_app(router, response_meta=meta)).get("/api/trpc/who,fail?batch=1")
    assert answer.status_code == 202
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert answer.headers["content-type"] == "application/json"
    [info] = seen
    assert (list(info.paths), info.streams) == (["who", "fail"], False)
    assert [error.code for error in info.errors] == ["CONFLICT"]
    assert isinstance(info.context, Context)


def test_without_a_status_that_of_the_results_is_kept() -> None:
    client = TestClient(create_app(router, response_meta=lambda info: ResponseMeta()))
    assert client.get("/api/trpc/fail").status_code == 409


def test_a_stream_has_its_head_before_there_are_errors() -> None:
    seen: list[ResponseInfo] = []

    def meta(info: ResponseInfo) -> ResponseMeta:
        seen.append(info)
        return ResponseMeta(headers=[("x-a", "b")])

    client = TestClient(create_app(router, response_meta=meta))
    answer = client.get("/api/trpc/fail?batch=1", headers={"trpc-accept": "application/jsonl"})
    assert (answer.status_code, answer.headers["x-a"]) == (200, "b")
    assert [(info.streams, list(info.errors)) for info in seen] == [(True, [])]


def test_the_application_hears_of_a_context_that_could_not_be_made() -> None:
    seen: list[ResponseInfo] = []

    def meta(info: ResponseInfo) -> ResponseMeta:
        seen.append(info)
        return ResponseMeta()

    def make_context(connection: ConnectionInfo) -> Context:
        raise RPCError("UNAUTHORIZED", "who?")

    TestClient(create_app(router, context=make_context, response_meta=meta)).get("/api/trpc/who")
    [info] = seen
    assert info.context is None
    assert [error.code for error in info.errors] == ["UNAUTHORIZED"]


# ---------- pages of other origins


def test_a_form_of_a_foreign_page_is_refused() -> None:
    client = TestClient(create_app(router))
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        headers = {"origin": "https://evil.example", "content-type": content_type}
        answer = client.post("/api/trpc/save", headers=headers)
        assert (answer.status_code, answer.text) == (403, "This origin is not allowed.\n")


@pytest.mark.parametrize("origin", [None, "http://testserver", PAGE])
def test_a_page_of_its_own_or_of_an_allowed_origin_may_post(origin: str | None) -> None:
    client = TestClient(create_app(router, allowed_origins=[PAGE]))
    headers = JSON if origin is None else {**JSON, "origin": origin}
    assert client.post("/api/trpc/save", headers=headers).json() == {"result": {"data": 1}}


def test_a_get_of_a_foreign_page_is_answered_for_the_browser_to_keep(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        answer = TestClient(create_app(router)).get("/api/trpc/who", headers={"origin": PAGE})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers
    assert caplog.messages == []


# ---------- CORS


def with_cors() -> TestClient:
    app = create_app(router, allowed_origins=[PAGE])
    app.add_middleware(
        CORSMiddleware,
        allow_origins=[PAGE],
        allow_methods=["GET", "POST"],
        allow_headers=["content-type", "trpc-accept", "authorization"],
    )
    return TestClient(app)


def preflight(client: TestClient, origin: str) -> Any:
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,trpc-accept",
    }
    return client.options("/api/trpc/save", headers=headers)


def test_with_starlettes_middleware_a_page_of_an_allowed_origin_reads_the_answers() -> None:
    client = with_cors()
    allowed = preflight(client, PAGE)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == PAGE
    for answer in (
        client.post("/api/trpc/save", headers={**JSON, "origin": PAGE}),
        client.get("/api/trpc/fail", headers={"origin": PAGE}),
        client.get("/api/trpc/who?batch=1", headers={"origin": PAGE, "trpc-accept": "application/jsonl"}),
    ):
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "origin" in answer.headers["vary"].lower()
        assert "trpc-accept" in answer.headers["vary"]


def test_with_starlettes_middleware_other_pages_are_still_refused() -> None:
    client = with_cors()
    assert preflight(client, "https://evil.example").status_code == 400
    foreign = {**JSON, "origin": "https://evil.example"}
    assert client.post("/api/trpc/save", headers=foreign).status_code == 403


def test_without_it_there_is_no_cors() -> None:
    client = TestClient(create_app(router, allowed_origins=[PAGE]))
    assert preflight(client, PAGE).status_code == 415
    answer = client.post("/api/trpc/save", headers={**JSON, "origin": PAGE})
    assert not any(name.startswith("access-control") for name in answer.headers)
