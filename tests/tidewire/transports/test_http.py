"""Single calls and batches over HTTP: methods, statuses, headers and bodies."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest
from msgspec import UNSET, UnsetType
from starlette.testclient import TestClient

from tests.tidewire.transports.http_exchange import HTTPExchange, ask, error_of
from tidewire import Router, RPCError, create_app

router = Router()


@router.query
async def echo_query(input: Any = UNSET) -> Any:
    return input


@router.query
async def nothing() -> UnsetType:
    return UNSET


@router.query
async def missing() -> None:
    raise RPCError("NOT_FOUND", "no such thing")


@router.query
async def broken() -> None:
    raise RuntimeError("a secret")


@router.query
async def unsendable() -> Any:
    return 1 + 2j


@router.mutation
async def echo(input: Any = UNSET) -> Any:
    return input


@router.subscription
async def feed(input: Any = UNSET) -> AsyncIterator[Any]:
    yield input


JSON = {"content-type": "application/json"}
client = TestClient(create_app(router, max_batch_size=3, max_message_bytes=1000))
overriding = TestClient(create_app(router, allow_method_override=True))


def get(path: str, input: Any = UNSET) -> str:
    """Word the target of a GET as the stock client does."""
    if input is UNSET:
        return f"/api/trpc/{path}"
    return f"/api/trpc/{path}{'&' if '?' in path else '?'}input={quote(json.dumps(input))}"


def ok(value: Any) -> dict[str, Any]:
    return {"result": {"data": value}}


# ---------- single calls


@pytest.mark.parametrize("value", [None, 0, "", "é\U0001f600", [], {"a": [1]}, "a+b c%20"])
def test_a_query_is_a_get_and_a_mutation_a_post(value: Any) -> None:
    queried = client.get(get("echoQuery", value))
    assert (queried.status_code, queried.json()) == (200, ok(value))
    mutated = client.post("/api/trpc/echo", content=json.dumps(value), headers=JSON)
    assert (mutated.status_code, mutated.json()) == (200, ok(value))


def test_the_answer_is_json_that_depends_on_what_is_accepted() -> None:
    headers = client.get(get("nothing")).headers
    assert dict(headers) == {"content-type": "application/json", "vary": "trpc-accept, accept"}


def test_undefined_is_left_out() -> None:
    assert client.get(get("nothing")).text == '{"result":{}}'
    assert client.get(get("echoQuery")).text == '{"result":{}}'
    assert client.post("/api/trpc/echo", headers=JSON).text == '{"result":{}}'


def test_an_error_has_its_status_and_says_which_call_failed() -> None:
    answer = client.get(get("missing"))
    assert answer.status_code == 404
    assert answer.json() == {
        "error": {
            "message": "no such thing",
            "code": -32004,
            "data": {"code": "NOT_FOUND", "httpStatus": 404, "path": "missing"},
        }
    }


@pytest.mark.parametrize("path", ["broken", "unsendable"])
def test_the_text_of_an_unknown_exception_is_not_sent(path: str) -> None:
    answer = client.get(get(path))
    assert answer.status_code == 500
    assert error_of(answer.json()) == ("INTERNAL_SERVER_ERROR", "Internal server error")


@pytest.mark.parametrize("path", ["nope", "", "echoQuery.x", "__proto__", "echoQuery,echoQuery", "échoQuery"])
def test_a_procedure_that_there_is_not_is_not_found(path: str) -> None:
    answer = client.get(get(quote(path)))
    assert answer.status_code == 404
    assert error_of(answer.json()) == ("NOT_FOUND", f'No procedure found on path "{path}"')


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_path_of_the_router_alone_is_no_procedure(method: str) -> None:
    for path in ("/api/trpc", "/api/trpc/"):
        assert client.request(method, path, headers=JSON).status_code == 404


def test_a_head_is_answered_without_running_anything() -> None:
    for path in ("echoQuery", "nope", "a,b?batch=1", "%zz"):
        answer = client.head(f"/api/trpc/{path}")
        assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("body", [b"{", b"not json", b"\xff", b"NaN", b"1 2"])
def test_a_body_that_is_no_json_is_a_bad_request(body: bytes) -> None:
    answer = client.post("/api/trpc/echo", content=body, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["error"]["data"] == {"code": "BAD_REQUEST", "httpStatus": 400, "path": "echo"}


def test_a_byte_order_mark_before_the_body_does_not_count() -> None:
    answer = client.post("/api/trpc/echo", content=b"\xef\xbb\xbf1", headers=JSON)
    assert answer.json() == ok(1)


# ---------- methods


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "echoQuery", "GET"),
        ("PUT", "echoQuery", "GET"),
        ("DELETE", "echo", "POST"),
        ("PATCH", "echo", "POST"),
        ("OPTIONS", "echo", "POST"),
        ("GET", "echo", "POST"),
        ("POST", "feed", "GET"),
    ],
)
def test_a_wrong_method_is_refused_and_the_right_one_named(method: str, path: str, allow: str) -> None:
    kind = {"echoQuery": "query", "echo": "mutation", "feed": "subscription"}[path]
    answer = client.request(method, f"/api/trpc/{path}", headers=JSON)
    said = f'Unsupported {method}-request to {kind} procedure at path "{path}"'
    if kind == "subscription":
        # An event stream has begun by then.
        assert answer.status_code == 200
        assert f'"message":{json.dumps(said)}' in answer.text
    else:
        assert answer.status_code == 405
        assert error_of(answer.json()) == ("METHOD_NOT_SUPPORTED", said)
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize(
    ("target", "body", "answer"),
    [
        ("echoQuery", b'{"a":1}', ok({"a": 1})),
        ("echoQuery", b"", {"result": {}}),
        ("echoQuery,echoQuery?batch=1", b'{"0":1,"1":2}', [ok(1), ok(2)]),
    ],
)
async def test_with_method_override_a_query_may_come_by_post(target: str, body: bytes, answer: Any) -> None:
    answered = await ask(overriding.app, "POST", f"/api/trpc/{target}", headers=JSON, body=body)
    assert answered == (200, answer)


async def test_with_method_override_a_subscription_may_come_by_post() -> None:
    exchange = HTTPExchange(overriding.app, "POST", "/api/trpc/feed", headers=JSON, body=b'{"a":1}')
    async with exchange as answer:
        assert await answer.start() == 200
        await answer.until(b'data: {"a":1}\n')


def test_with_method_override_a_mutation_still_needs_a_post() -> None:
    answer = overriding.get(get("echo", 1))
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert overriding.put("/api/trpc/echoQuery", json=1).headers["allow"] == "GET, POST"


# ---------- content types


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "json", ""])
def test_another_content_type_is_refused(content_type: str) -> None:
    answer = client.post("/api/trpc/echo", content=b"1", headers={"content-type": content_type})
    assert answer.status_code == 415
    said = f'Unsupported content-type "{content_type}'
    assert error_of(answer.json()) == ("UNSUPPORTED_MEDIA_TYPE", said)


async def test_no_content_type_is_refused() -> None:
    status, answer = await ask(client.app, "POST", "/api/trpc/echo", body=b"1")
    assert status == 415
    assert error_of(answer) == ("UNSUPPORTED_MEDIA_TYPE", "Missing content-type header")


def test_a_refusal_of_the_whole_request_has_no_path() -> None:
    answer = client.post("/api/trpc/echo", content=b"1", headers={"content-type": "text/plain"})
    assert answer.json()["error"]["data"] == {"code": "UNSUPPORTED_MEDIA_TYPE", "httpStatus": 415}
    assert answer.headers["content-type"] == "text/plain;charset=UTF-8"


# ---------- batches


def test_a_batch_of_queries_is_answered_in_order() -> None:
    answer = client.get(get("echoQuery,nothing,echoQuery?batch=1", {"0": "a", "2": "c"}))
    assert (answer.status_code, answer.json()) == (200, [ok("a"), {"result": {}}, ok("c")])


def test_a_batch_of_mutations_is_a_post() -> None:
    answer = client.post("/api/trpc/echo,echo?batch=1", json={"0": [1], "1": None})
    assert answer.json() == [ok([1]), ok(None)]


def test_a_batch_of_one_is_an_array() -> None:
    assert client.get(get("echoQuery?batch=1", {"0": 1})).json() == [ok(1)]


@pytest.mark.parametrize(
    ("paths", "status"),
    [
        ("echoQuery,missing", 207),
        ("missing,broken", 207),
        ("missing,missing", 404),
        ("nope,missing", 404),
        ("broken,unsendable", 500),
    ],
)
def test_a_batch_with_different_ends_is_multi_status(paths: str, status: int) -> None:
    answer = client.get(get(f"{paths}?batch=1"))
    assert answer.status_code == status
    assert len(answer.json()) == 2


def test_an_error_in_a_batch_leaves_the_other_calls_alone() -> None:
    ended, failed = client.get(get("echoQuery,unsendable?batch=1", {"0": 1})).json()
    assert ended == ok(1)
    assert failed["error"]["data"]["path"] == "unsendable"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("echoQuery,echoQuery,echoQuery,echoQuery?batch=1", "Batch call exceeds maximum size"),
        ("echoQuery,echo?batch=1", "Cannot mix procedure types in call: query, mutation"),
        ("%zz?batch=1", 'Invalid URL-encoding in path "%zz"'),
    ],
)
def test_a_bad_batch_is_refused_as_a_whole(target: str, said: str) -> None:
    answer = client.get(get(target))
    assert answer.status_code == 400
    assert error_of(answer.json()) == ("BAD_REQUEST", said)


def test_a_subscription_cannot_be_in_a_batch() -> None:
    answer = client.get(get("feed?batch=1"))
    assert [error_of(part) for part in answer.json()] == [("BAD_REQUEST", "Cannot batch subscription calls")]


def test_batching_can_be_turned_off() -> None:
    single = TestClient(create_app(router, allow_batching=False))
    answer = single.get(get("echoQuery?batch=1"))
    assert answer.status_code == 400
    assert error_of(answer.json()) == ("BAD_REQUEST", "Batching is not enabled on the server")
    assert single.get(get("echoQuery,x?batch=0")).status_code == 404


@pytest.mark.parametrize("inputs", ["[]", "1", "null", '"x"'])
def test_the_inputs_of_a_batch_must_be_an_object(inputs: str) -> None:
    answer = client.get(f"/api/trpc/echoQuery,echoQuery?batch=1&input={inputs}")
    said = ("BAD_REQUEST", '"input" needs to be an object when doing a batch call')
    assert answer.status_code == 400
    assert [error_of(part) for part in answer.json()] == [said, said]


# ---------- the size of the body


def test_a_body_beyond_the_limit_is_refused_by_its_announced_length() -> None:
    answer = client.post("/api/trpc/echo", json="x" * 998)
    assert answer.json() == ok("x" * 998)
    answer = client.post("/api/trpc/echo", json="x" * 999)
    assert answer.status_code == 413
    assert error_of(answer.json()) == ("PAYLOAD_TOO_LARGE", "Body exceeds the limit of 1000 bytes")


def test_a_body_beyond_the_limit_is_refused_while_it_comes() -> None:
    pieces = iter([b'"', *([b"x" * 100] * 20), b'"'])
    answer = client.post("/api/trpc/echo", content=pieces, headers=JSON)
    assert answer.status_code == 413


def test_each_call_of_a_batch_says_that_the_body_is_too_large() -> None:
    answer = client.post("/api/trpc/echo,echo?batch=1", json={"0": "x" * 999})
    assert answer.status_code == 413
    assert [part["error"]["data"]["path"] for part in answer.json()] == ["echo", "echo"]


async def test_a_wrong_length_that_is_announced_does_not_count() -> None:
    for length in ("-1", "x", "", "1e9"):
        headers = {**JSON, "content-length": length}
        assert await ask(client.app, "POST", "/api/trpc/echo", headers=headers, body=b"1") == (200, ok(1))


# ---------- bad input


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("echoQuery?input=%", {}, 400),
        ("echoQuery?input=%zz", {}, 400),
        ("echoQuery?input=%FF", {}, 400),
        ("echoQuery?input=1&input={", {}, 200),
        ("echoQuery?input={&input=1", {}, 400),
        ("echoQuery?batch=1&batch=0", {}, 200),
        ("echoQuery?" + "&" * 10**5, {}, 200),
        ("echoQuery?" + "a=1&" * 10**5, {}, 200),
        ("," * 10**5 + "?batch=1", {}, 400),
        ("," * 10**5, {}, 404),
        ("x" * 10**6, {}, 404),
        ("%" * 10**5, {}, 400),
        ("%2F" * 10**5, {}, 404),
        ("/" * 10**5, {}, 404),
        ("echoQuery?input=" + "[" * 10**5 + "]" * 10**5, {}, 400),
        ("echoQuery?input=" + "[" * 10**6, {}, 400),
        ("echoQuery?batch=1&input={%220%22:" + "[" * 10**5 + "]" * 10**5 + "}", {}, 400),
        ("echoQuery?connectionParams=" + "[" * 10**5, {}, 400),
        ("echoQuery?connectionParams=%FF", {}, 400),
        ("echoQuery?input=" + "9" * 10**6, {}, 200),
        ("echoQuery?input=\xff\xfe", {}, 400),
        ("\xff", {}, 404),
        ("echoQuery", {"content-type": "multipart/form-data"}, 405),
        ("echoQuery", {"host": "["}, 200),
        ("echoQuery", {"host": "a?b#c"}, 200),
        ("echoQuery", {"cookie": "a=\xff; ;=;" + "b" * 10**5}, 200),
        ("echoQuery", {"accept": "," * 10**5}, 200),
        ("echoQuery", {"content-type": ";" * 10**5}, 200),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
async def test_bad_input_gets_a_typed_answer(target: str, headers: Mapping[str, str], status: int) -> None:
    answered, document = await ask(client.app, "GET", f"/api/trpc/{target}", headers=headers)
    assert answered == status
    for part in document if isinstance(document, list) else [document]:
        assert part.keys() in ({"result"}, {"error"})


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 10**5 + b"]" * 10**5,
        b'{"a":' * 10**5 + b"1" + b"}" * 10**5,
        b"\x00" * (1 << 20),
        b"\xff" * (1 << 20),
        b'"' + b"\\ud800" * 10**5,
        b"[" + b"0," * 10**5,
        b"-" * (1 << 20),
    ],
    ids=["lists", "objects", "zeros", "no-text", "surrogates", "unfinished", "dashes"],
)
async def test_a_megabyte_of_junk_is_a_bad_request(body: bytes) -> None:
    app = create_app(router, max_message_bytes=2 << 20)
    for target in ("echo", "echo,echo?batch=1"):
        status, _ = await ask(app, "POST", f"/api/trpc/{target}", headers=JSON, body=body)
        assert status == 400
