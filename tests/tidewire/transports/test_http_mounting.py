"""Wherever a router is served, procedures follow its path."""

from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.tidewire.transports.http_exchange import ask, error_of
from tidewire import Endpoint, Router, create_app

router = Router()


@router.query
async def hello(input: Any = None) -> str:
    return "hello"


endpoint = Endpoint(router)
HELLO = {"result": {"data": "hello"}}


def routed(path: str) -> Starlette:
    return Starlette(routes=endpoint.routes(path))


def fastapi(path: str) -> FastAPI:
    app = FastAPI()
    app.router.routes.extend(endpoint.routes(path))
    return app


def mounted_in_fastapi(path: str) -> FastAPI:
    app = FastAPI()
    app.mount(path, endpoint)
    return app


@pytest.mark.parametrize(
    ("app", "target", "scope"),
    [
        (endpoint, "/hello", {}),
        (endpoint, "/outer/hello", {"root_path": "/outer"}),
        (endpoint, "/hello", {"root_path": "/outer"}),
        (create_app(router), "/api/trpc/hello", {}),
        (create_app(router, path="/"), "/hello", {}),
        (create_app(router, path="/x/"), "/x/hello", {}),
        (routed("/api/trpc"), "/outer/api/trpc/hello", {"root_path": "/outer"}),
        (routed("/api/trpc"), "/api/trpc/hello", {"root_path": "/outer"}),
        (routed("/a b"), "/a%20b/hello", {}),
        (routed("/é"), "/%C3%A9/hello", {}),
        (Starlette(routes=[Mount("/v1", endpoint)]), "/v1/hello", {}),
        (Starlette(routes=[Mount("/v1", endpoint)]), "/%761/hello", {}),
        (Starlette(routes=[Mount("/v1", routes=endpoint.routes("/rpc"))]), "/v1/rpc/hello", {}),
        (Starlette(routes=[Mount("/v1", endpoint)]), "/outer/v1/hello", {"root_path": "/outer"}),
        (Starlette(routes=[Mount("/v1", endpoint)]), "/v1/hello", {"root_path": "/outer"}),
        (fastapi("/api/trpc"), "/api/trpc/hello", {}),
        (fastapi("/api/trpc"), "/api/trpc/hello", {"root_path": "/outer"}),
        (fastapi("/api/trpc"), "/outer/api/trpc/hello", {"root_path": "/outer"}),
        (mounted_in_fastapi("/rpc"), "/rpc/hello", {}),
        (mounted_in_fastapi("/rpc"), "/rpc/hello", {"root_path": "/outer"}),
        (mounted_in_fastapi("/rpc"), "/outer/rpc/hello", {"root_path": "/outer"}),
    ],
)
async def test_a_procedure_follows_the_path_of_the_router(
    app: Any, target: str, scope: dict[str, Any]
) -> None:
    assert await ask(app, "GET", target, **scope) == (200, HELLO)
    assert await ask(app, "GET", f"{target}?batch=1", **scope) == (200, [HELLO])
    assert (await ask(app, "GET", f"{target}/x", **scope))[0] == 404


async def test_a_slash_in_a_name_is_not_one_between_names() -> None:
    status, answer = await ask(routed("/api"), "GET", "/api/a%2Fb%252F")
    assert (status, error_of(answer)) == (404, ("NOT_FOUND", 'No procedure found on path "a/b%2F"'))


async def test_a_server_that_has_no_raw_path_serves_too() -> None:
    assert await ask(routed("/api"), "GET", "/api/hello", raw_path=None) == (200, HELLO)
    status, answer = await ask(routed("/api"), "GET", "/api/a%25b", raw_path=None)
    assert (status, error_of(answer)) == (404, ("NOT_FOUND", 'No procedure found on path "a%b"'))


async def test_a_question_mark_in_a_name_begins_no_query() -> None:
    status, answer = await ask(routed("/api"), "GET", "/api/a%3Fbatch=1%23?batch=0")
    assert (status, error_of(answer)) == (404, ("NOT_FOUND", 'No procedure found on path "a?batch=1#"'))
