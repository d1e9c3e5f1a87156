"""Forms and streams of bytes as the inputs of mutations."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.tidewire.transports.http_exchange import WAIT_SECONDS, HTTPExchange, ask, error_of
from tidewire import ByteStream, Endpoint, Form, Router, Upload, create_app

LIMIT = 100_000
router = Router()
seen: list[Upload] = []


@router.mutation
async def form(input: Form) -> list[list[Any]]:
    fields: list[list[Any]] = []
    for name, value in input:
        if isinstance(value, str):
            fields.append([name, value])
        else:
            seen.append(value)
            content = await value.read()
            fields.append([name, value.filename, value.content_type, value.size, content.decode()])
    return fields


@router.mutation
async def named(input: Form) -> list[Any]:
    return [input.get("a"), input.get("b"), input.getall("a"), input.getall("b")]


@router.mutation
async def octets(input: ByteStream) -> int:
    return len(await input.read())


@router.mutation
async def untouched(input: ByteStream) -> str:
    return "not read"


@router.mutation
async def plain(input: Any = None) -> str:
    return type(input).__name__


@router.mutation
async def typed(a: int) -> int:
    return a


client = TestClient(create_app(router, max_upload_bytes=LIMIT, max_message_bytes=1000))
bare = TestClient(Endpoint(router, max_upload_bytes=LIMIT))
OCTETS = {"content-type": "application/octet-stream"}


def multipart(boundary: str = "x") -> dict[str, str]:
    return {"content-type": f"multipart/form-data; boundary={boundary}"}


# ---------- the types


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def test_a_form_keeps_the_order_and_the_repetition_of_its_fields() -> None:
    fields = Form([("a", "1"), ("b", "2"), ("a", "3")])
    assert list(fields) == [("a", "1"), ("b", "2"), ("a", "3")]
    assert fields.get("a") == "1"
    assert fields.get("c") is None
    assert fields.getall("a") == ["1", "3"]
    assert fields.getall("c") == []


async def test_bytes_are_read_in_pieces_or_at_once() -> None:
    assert [chunk async for chunk in ByteStream(pieces(b"a", b"b"))] == [b"a", b"b"]
    assert await ByteStream(pieces(b"a", b"b")).read() == b"ab"


# ---------- forms


def test_files_and_repeated_names_arrive_in_order() -> None:
    body = {"a": ["1", "é"], "b": ""}
    files = [("file", ("a.txt", b"one", "text/plain")), ("file", ("b", b"two", None))]
    answer = client.post("/api/trpc/form", data=body, files=files)
    assert answer.json()["result"]["data"] == [
        ["a", "1"],
        ["a", "é"],
        ["b", ""],
        ["file", "a.txt", "text/plain", 3, "one"],
        ["file", "b", "application/octet-stream", 3, "two"],
    ]


def test_fields_are_found_by_name() -> None:
    answer = client.post("/api/trpc/named", files=[("a", (None, "1")), ("a", (None, "2"))])
    assert answer.json()["result"]["data"] == ["1", None, ["1", "2"], []]


def test_files_are_closed_after_the_answer() -> None:
    seen.clear()
    client.post("/api/trpc/form", files={"file": ("a", b"x")})
    [upload] = seen
    with pytest.raises(ValueError, match="closed"):
        asyncio.run(upload.read())


@pytest.mark.parametrize("served", [client, bare], ids=["app", "endpoint"])
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "multipart/form-data"}, b""),
        ({"content-type": "multipart/form-data; boundary="}, b""),
        ({"content-type": "multipart/form-data; boundary=" + "x" * 1000}, b""),
        (multipart(), b"junk"),
        (multipart(), b"--x\r\n"),
        (multipart(), b"--x\r\n\r\nno name\r\n--x--\r\n"),
        (multipart(), b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nunfinished'),
        (multipart(), b'--x\r\nContent-Disposition: form-data; name="a"\r\n'),
        (multipart(), b"--x\r\n" + b"a" * 50_000),
        (multipart(), b"\xff" * 50_000),
        (
            multipart("x; charset=undefined"),
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n',
        ),
        (multipart(), b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 1001 + b"--x--\r\n"),
    ],
)
def test_a_broken_form_is_a_bad_request(served: TestClient, headers: dict[str, str], body: bytes) -> None:
    path = "/form" if served is bare else "/api/trpc/form"
    answer = served.post(path, content=body, headers=headers)
    assert answer.status_code == 400
    assert error_of(answer.json())[0] == "BAD_REQUEST"


def test_a_form_may_be_empty() -> None:
    answer = client.post("/api/trpc/form", content=b"--x--\r\n", headers=multipart())
    assert answer.json() == {"result": {"data": []}}


@pytest.mark.parametrize("announced", [True, False])
def test_a_form_beyond_the_limit_is_refused(announced: bool) -> None:
    begin = b'--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n'
    body = [begin, *([b"a" * 10_000] * 11), b"\r\n--x--\r\n"]
    content = b"".join(body) if announced else iter(body)
    answer = client.post("/api/trpc/form", content=content, headers=multipart())
    assert answer.status_code == 413
    said = ("PAYLOAD_TOO_LARGE", f"Body exceeds the limit of {LIMIT} bytes")
    assert error_of(answer.json()) == said


# ---------- bytes


@pytest.mark.parametrize("size", [0, 1, 5_000, LIMIT])
def test_bytes_may_be_more_than_a_json_body(size: int) -> None:
    answer = client.post("/api/trpc/octets", content=b"x" * size, headers=OCTETS)
    assert answer.json() == {"result": {"data": size}}


@pytest.mark.parametrize("announced", [True, False])
def test_bytes_beyond_the_limit_are_refused(announced: bool) -> None:
    body = [b"x" * 10_000] * 10 + [b"x"]
    content = b"".join(body) if announced else iter(body)
    answer = client.post("/api/trpc/octets", content=content, headers=OCTETS)
    assert answer.status_code == 413


def test_bytes_need_not_be_read() -> None:
    answer = client.post("/api/trpc/untouched", content=b"x" * 1000, headers=OCTETS)
    assert answer.json() == {"result": {"data": "not read"}}


async def test_bytes_are_handed_on_while_they_come() -> None:
    first = asyncio.Event()
    streaming = Router()

    @streaming.mutation
    async def sizes(input: ByteStream) -> list[int]:
        found: list[int] = []
        async for chunk in input:
            found.append(len(chunk))
            first.set()
        return found

    app = create_app(streaming)
    async with HTTPExchange(app, "POST", "/api/trpc/sizes", headers=OCTETS, body=None) as exchange:
        exchange.feed(b"x" * 70_000)
        await asyncio.wait_for(first.wait(), WAIT_SECONDS)
        exchange.feed(b"")
        exchange.feed(b"yz", last=True)
        assert await exchange.start() == 200
        assert await exchange.rest() == b'{"result":{"data":[70000,2]}}'


async def test_a_query_by_post_may_take_bytes() -> None:
    reading = Router()

    @reading.query
    async def length(input: ByteStream) -> int:
        return len(await input.read())

    app = create_app(reading, allow_method_override=True)
    answer = await ask(app, "POST", "/api/trpc/length", headers=OCTETS, body=b"123")
    assert answer == (200, {"result": {"data": 3}})


# ---------- the other kind of input


@pytest.mark.parametrize(
    ("path", "headers", "wanted"),
    [
        ("form", {"content-type": "application/json"}, "multipart/form-data"),
        ("form", OCTETS, "multipart/form-data"),
        ("octets", {"content-type": "application/json"}, "application/octet-stream"),
        ("octets", multipart(), "application/octet-stream"),
    ],
)
async def test_another_content_type_than_the_procedures_is_refused(
    path: str, headers: dict[str, str], wanted: str
) -> None:
    body = b"--x--\r\n" if "boundary" in headers["content-type"] else b"{}"
    status, answer = await ask(client.app, "POST", f"/api/trpc/{path}", headers=headers, body=body)
    assert status == 400
    assert error_of(answer) == ("BAD_REQUEST", f"The input must be {wanted}")


def test_a_procedure_with_fields_takes_no_upload() -> None:
    answer = client.post("/api/trpc/typed", content=b"x", headers=OCTETS)
    assert answer.status_code == 400
    assert error_of(answer.json())[0] == "BAD_REQUEST"
