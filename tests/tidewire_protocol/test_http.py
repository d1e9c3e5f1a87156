"""What a request line and headers ask for, and the bodies of answers."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from tests.tidewire_protocol.documents import documents, texts
from tidewire_protocol import CODES, IDENTITY, CallKind, ErrorCode, Transformer
from tidewire_protocol.codec import error_shape, error_tail
from tidewire_protocol.http import (
    METHODS,
    OVERRIDABLE_METHODS,
    HTTPFaultError,
    RequestHead,
    batch_body,
    check_kinds,
    error_body,
    http_status,
    read_head,
    read_inputs,
    result_body,
    resumed_input,
    sent_last_event_id,
    status_of,
)
from tidewire_protocol.json_text import JSONSyntaxError

JSON = {"content-type": "application/json"}


def head(
    path: str = "/hello",
    query: str = "",
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    max_batch_size: int | None = 10,
) -> RequestHead:
    return read_head(method, path, query, headers or {}, max_batch_size)


def refusal(*arguments: Any, **options: Any) -> tuple[ErrorCode, str]:
    with pytest.raises(HTTPFaultError) as refused:
        head(*arguments, **options)
    return refused.value.fault.code, refused.value.fault.message


# ---------- the path


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/hello", "hello"),
        ("/nested.inner.ping", "nested.inner.ping"),
        ("hello", "hello"),
        ("/hello/", "hello"),
        ("/hello//", "hello"),
        ("/hello///", "hello/"),
        ("//hello", "/hello"),
        ("", ""),
        ("/", ""),
        ("//", ""),
        ("///", ""),
        ("/a/b", "a/b"),
        ("/a%2Fb", "a/b"),
        ("/a%252Fb", "a%2Fb"),
        ("/hello%2F", "hello/"),
        ("/h%C3%A9llo", "héllo"),
        ("/%F0%9F%98%80", "\U0001f600"),
        ("/a+b", "a+b"),
        ("/a%20b", "a b"),
        ("/a%00b", "a\0b"),
        ("/%c3%a9", "é"),
    ],
)
def test_the_path_is_decoded_once_and_loses_a_slash_at_each_end(path: str, name: str) -> None:
    assert head(path).paths == [name]


@pytest.mark.parametrize(
    "escape",
    ["%", "%2", "%zz", "%E", "a%", "%%41", "%FF", "%C3", "%C3%28", "%ED%A0%80", "%F8%88%80%80%80", "%C0%AF"],
)
def test_a_bad_escape_in_the_path_is_refused_with_the_path_as_it_came(escape: str) -> None:
    said = f'Invalid URL-encoding in path "{escape}"'
    assert refusal(f"/{escape}/") == ("BAD_REQUEST", said)


@given(texts(surrogates=False).filter(lambda name: "," not in name))
def test_any_name_survives_the_encoding_of_a_client(name: str) -> None:
    assert head("/" + quote(name, safe="")).paths == [name]
    assert head("/" + quote(name, safe=""), "batch=1").paths == [name]


# ---------- batches


@pytest.mark.parametrize(
    ("query", "batch"),
    [
        ("batch=1", True),
        ("input=x&batch=1", True),
        ("batch=1&batch=0", True),
        ("batch=0&batch=1", False),
        ("batch=%31", True),
        ("batch", False),
        ("batch=", False),
        ("batch=true", False),
        ("batch=01", False),
        ("batch=1 ", False),
        ("Batch=1", False),
        ("", False),
    ],
)
def test_a_batch_is_asked_for_by_the_first_flag_and_by_a_one_only(query: str, batch: bool) -> None:
    asked = head("/a,b", query)
    assert asked.batch == batch
    assert asked.paths == (["a", "b"] if batch else ["a,b"])


@pytest.mark.parametrize(
    ("path", "paths"),
    [("/a", ["a"]), ("/a,", ["a", ""]), ("/,", ["", ""]), ("/a,,b", ["a", "", "b"]), ("/a%2Cb", ["a", "b"])],
)
def test_the_paths_of_a_batch_are_split_after_decoding(path: str, paths: list[str]) -> None:
    assert head(path, "batch=1").paths == paths


def test_a_batch_beyond_the_limit_is_refused() -> None:
    assert len(head("/" + "," * 9, "batch=1").paths) == 10
    assert refusal("/" + "," * 10, "batch=1") == ("BAD_REQUEST", "Batch call exceeds maximum size")


def test_without_a_limit_a_batch_is_as_long_as_it_is() -> None:
    assert len(head("/" + "," * 10**5, "batch=1", max_batch_size=None).paths) == 10**5 + 1


@pytest.mark.parametrize("media_type", ["multipart/form-data; boundary=x", "application/octet-stream"])
def test_only_json_comes_in_batches(media_type: str) -> None:
    asked = head("/a,b", "batch=1", {"content-type": media_type}, method="POST")
    assert not asked.batch
    assert asked.paths == ["a,b"]


# ---------- the query


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", ""),
        ("input", ""),
        ("input=", ""),
        ("input=%22x%22", '"x"'),
        ("input=1&input=2", "1"),
        ("input=&input=2", ""),
        ("&&input=1&", "1"),
        ("input=%22a+b%2Bc%22", '"a b+c"'),
        ("input=%zz%", "%zz%"),
        ("input=a=b", "a=b"),
        ("input=%FF", "\ufffd"),
        ("input=%ED%A0%80", "\ufffd\ufffd\ufffd"),
        ("input=1;input=2", "1;input=2"),
        ("%69nput=1", "1"),
        ("INPUT=1", ""),
    ],
)
def test_the_input_of_a_get_is_the_first_in_the_query(query: str, text: str) -> None:
    assert head("/hello", query).input_text == text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_the_input_of_any_other_method_is_in_the_body(method: str) -> None:
    assert head("/hello", "input=1", JSON, method=method).input_text is None


# ---------- the content type


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("application/json", "json"),
        ("Application/JSON", "json"),
        ("application/json; charset=utf-8", "json"),
        ("application/json;charset=utf-8", "json"),
        (" application/json ; a=b", "json"),
        ("multipart/form-data; boundary=x", "form"),
        ("multipart/form-data", "form"),
        ("application/octet-stream", "bytes"),
        ("APPLICATION/OCTET-STREAM;x", "bytes"),
    ],
)
def test_the_media_type_tells_what_the_body_is(content_type: str, kind: str) -> None:
    assert head(headers={"content-type": content_type}, method="POST").body_kind == kind


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/jsonx", "application", "application/json+x", "x-www-form-urlencoded"],
)
def test_any_other_content_type_is_refused_but_for_a_get(content_type: str) -> None:
    headers = {"content-type": content_type}
    said = f'Unsupported content-type "{content_type}'
    assert refusal(headers=headers, method="POST") == ("UNSUPPORTED_MEDIA_TYPE", said)
    assert head(headers=headers).body_kind == "json"


def test_no_content_type_is_refused_but_for_a_get() -> None:
    assert refusal(method="POST") == ("UNSUPPORTED_MEDIA_TYPE", "Missing content-type header")
    assert head().body_kind == "json"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("media_type", ["multipart/form-data", "application/octet-stream"])
def test_forms_and_bytes_come_by_post_only(method: str, media_type: str) -> None:
    said = f"Only POST requests are supported for {media_type} requests"
    content_type = {"content-type": f"{media_type}; boundary=x"}
    assert refusal(headers=content_type, method=method) == ("METHOD_NOT_SUPPORTED", said)


# ---------- the form of the answer


@pytest.mark.parametrize(
    ("headers", "streams"),
    [
        ({"trpc-accept": "application/jsonl"}, True),
        ({"trpc-accept": "application/json", "accept": "application/jsonl"}, False),
        ({"trpc-accept": "application/jsonl, */*"}, False),
        ({"trpc-accept": ""}, False),
        ({"accept": "application/jsonl"}, True),
        ({"accept": "text/html,  application/jsonl ,*/*"}, True),
        ({"accept": "application/jsonl;q=1"}, False),
        ({"accept": "*/*"}, False),
        ({}, False),
    ],
)
def test_json_lines_are_asked_for_by_name(headers: Mapping[str, str], streams: bool) -> None:
    assert head(headers=headers).streams == streams


def test_an_upload_is_not_answered_in_json_lines() -> None:
    headers = {"content-type": "application/octet-stream", "trpc-accept": "application/jsonl"}
    assert not head(headers=headers, method="POST").streams


# ---------- connection params and the last event id


@pytest.mark.parametrize(
    ("text", "params"),
    [
        (None, None),
        ("null", None),
        ("{}", {}),
        ('{"token":"t"}', {"token": "t"}),
        ('{"a":"1","a":"2"}', {"a": "2"}),
    ],
)
def test_connection_params_come_in_the_query(text: str | None, params: Mapping[str, str] | None) -> None:
    query = "" if text is None else f"connectionParams={quote(text)}"
    assert head("/hello", query).connection_params == params


@pytest.mark.parametrize("text", ['{"a":1}', '{"a":null}', "[]", "5", '"x"', "true", '{"a":{}}'])
def test_connection_params_of_another_shape_are_refused(text: str) -> None:
    said = refusal("/hello", f"connectionParams={quote(text)}")
    assert said == ("PARSE_ERROR", "Invalid connection params shape")


@pytest.mark.parametrize("text", ["", "{", "not json", "{'a':'b'}", "%", "NaN", "[" * 10**5 + "]" * 10**5])
def test_connection_params_that_are_no_json_are_refused(text: str) -> None:
    said = refusal("/hello", f"connectionParams={quote(text)}")
    assert said == ("PARSE_ERROR", "Not JSON-parsable query params")


def test_connection_params_do_not_matter_to_an_upload() -> None:
    headers = {"content-type": "application/octet-stream"}
    assert head("/hello", "connectionParams={", headers, method="POST").connection_params is None


@pytest.mark.parametrize(
    ("query", "headers", "last_event_id"),
    [
        ("", {}, None),
        ("lastEventId=1", {}, "1"),
        ("Last-Event-Id=1", {}, "1"),
        ("lastEventId=1&Last-Event-Id=2", {}, "1"),
        ("Last-Event-Id=2&lastEventId=1", {}, "1"),
        ("lastEventId=1&lastEventId=2", {}, "1"),
        ("lastEventId=&Last-Event-Id=2", {}, ""),
        ("lastEventId=1&Last-Event-Id=2", {"last-event-id": "3"}, "3"),
        ("lastEventId=1", {"last-event-id": ""}, ""),
        ("lasteventid=1", {}, None),
        ("lastEventId=a%20b+c%0A", {}, "a b c\n"),
    ],
)
def test_the_last_event_id_is_the_headers_before_the_querys(
    query: str, headers: Mapping[str, str], last_event_id: str | None
) -> None:
    assert head("/sub", query, headers).last_event_id == last_event_id


@pytest.mark.parametrize(
    ("value", "last_event_id", "merged"),
    [
        ({"a": 1}, "1", {"a": 1, "lastEventId": "1"}),
        ({"lastEventId": "0"}, "1", {"lastEventId": "1"}),
        (UNSET, "1", {"lastEventId": "1"}),
        (None, "1", {"lastEventId": "1"}),
        ("text", "1", "text"),
        ([1], "1", [1]),
        ({"a": 1}, None, {"a": 1}),
        (UNSET, None, UNSET),
    ],
)
def test_the_last_event_id_is_merged_into_an_input_that_can_hold_it(
    value: Any, last_event_id: str | None, merged: Any
) -> None:
    assert resumed_input(value, last_event_id) == merged


@pytest.mark.parametrize(
    ("value", "requested", "last_event_id"),
    [
        ({"a": 1}, "1", "1"),
        ({"lastEventId": "0"}, "1", "1"),
        ({"lastEventId": "0"}, "", "0"),
        ({"lastEventId": "0"}, None, "0"),
        ({"lastEventId": ""}, None, None),
        ({"lastEventId": 0}, None, None),
        ({"lastEventId": None}, "", None),
        ({}, "", None),
        (UNSET, "", None),
        (UNSET, None, None),
        ("lastEventId", None, None),
    ],
)
def test_a_last_event_id_in_the_input_counts_if_the_request_has_none(
    value: Any, requested: str | None, last_event_id: str | None
) -> None:
    assert sent_last_event_id(value, requested) == last_event_id


# ---------- inputs


class Wrapped:
    """A transformer whose clients send each value as `{"json": value}`."""

    name = "wrapped"

    def encode(self, value: object) -> bytes | None:
        return IDENTITY.encode({"json": value})

    def encode_tracked(self, event_id: str, value: object) -> bytes:
        return IDENTITY.encode_tracked(event_id, {"json": value})

    def decode(self, document: object) -> object:
        if not isinstance(document, dict) or "json" not in document:
            raise ValueError("not wrapped")
        return document["json"]


WRAPPED: Transformer = Wrapped()
SINGLE = head()
BATCH = head("/a,b", "batch=1")


@pytest.mark.parametrize(
    ("text", "inputs"),
    [("", [UNSET]), ("null", [None]), ("0", [0]), (' {"a":[]}\n', [{"a": []}]), ('{"0":1}', [{"0": 1}])],
)
def test_a_single_call_takes_the_whole_document(text: str, inputs: list[Any]) -> None:
    assert read_inputs(text, SINGLE, IDENTITY) == inputs


@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        ("", [UNSET, UNSET]),
        ("{}", [UNSET, UNSET]),
        ('{"0":1,"1":null}', [1, None]),
        ('{"1":[],"2":"ignored","x":1,"01":5}', [UNSET, []]),
        ('{"0":1,"0":2}', [2, UNSET]),
    ],
)
def test_each_call_of_a_batch_takes_its_member(text: str, inputs: list[Any]) -> None:
    assert read_inputs(text, BATCH, IDENTITY) == inputs


@pytest.mark.parametrize("text", ["null", "[]", "[1,2]", "1", '"x"', "true"])
def test_the_inputs_of_a_batch_must_be_an_object(text: str) -> None:
    with pytest.raises(ValueError, match='"input" needs to be an object when doing a batch call'):
        read_inputs(text, BATCH, IDENTITY)


@pytest.mark.parametrize("text", [" ", "{", "undefined", "NaN", "\ufeff1", "1 2", "[" * 10**5 + "]" * 10**5])
@pytest.mark.parametrize("asked", [SINGLE, BATCH], ids=["single", "batch"])
def test_inputs_that_are_no_json_are_refused(text: str, asked: RequestHead) -> None:
    with pytest.raises(JSONSyntaxError):
        read_inputs(text, asked, IDENTITY)


def test_inputs_are_decoded_one_by_one() -> None:
    assert read_inputs('{"json":1}', SINGLE, WRAPPED) == [1]
    assert read_inputs('{"1":{"json":1}}', BATCH, WRAPPED) == [UNSET, 1]
    with pytest.raises(ValueError, match="not wrapped"):
        read_inputs('{"0":{"json":1},"1":2}', BATCH, WRAPPED)


@given(st.lists(documents(surrogates=True), max_size=4))
def test_any_inputs_survive_a_batch(values: list[Any]) -> None:
    asked = head("/" + "," * max(len(values) - 1, 0), "batch=1")
    text = json.dumps({str(index): value for index, value in enumerate(values)})
    assert read_inputs(text, asked, IDENTITY) == (values or [UNSET])


# ---------- kinds and methods


@pytest.mark.parametrize("kinds", [[], ["query"], ["query", "query"], ["mutation"] * 3])
def test_calls_of_one_kind_go_together(kinds: list[CallKind]) -> None:
    check_kinds(kinds)


@pytest.mark.parametrize(
    ("kinds", "listed"),
    [
        (["query", "mutation"], "query, mutation"),
        (["mutation", "query", "mutation"], "mutation, query"),
        (["subscription", "query", "mutation"], "subscription, query, mutation"),
    ],
)
def test_calls_of_several_kinds_are_refused(kinds: list[CallKind], listed: str) -> None:
    with pytest.raises(HTTPFaultError, match=f"Cannot mix procedure types in call: {listed}$") as refused:
        check_kinds(kinds)
    assert refused.value.fault.code == "BAD_REQUEST"


def test_get_never_runs_a_mutation() -> None:
    assert METHODS["mutation"] == OVERRIDABLE_METHODS["mutation"] == ("POST",)


# ---------- answers


@pytest.mark.parametrize(
    ("value", "body"),
    [
        (1, b'{"result":{"data":1}}'),
        (None, b'{"result":{"data":null}}'),
        (UNSET, b'{"result":{}}'),
        ({"a": "é"}, '{"result":{"data":{"a":"é"}}}'.encode()),
    ],
)
def test_a_result_is_written_and_undefined_left_out(value: Any, body: bytes) -> None:
    assert result_body(value, IDENTITY) == body


def test_an_error_is_written_as_in_a_frame() -> None:
    body = error_body(error_tail(error_shape("NOT_FOUND", "no", "p"), IDENTITY))
    assert json.loads(body) == {"error": error_shape("NOT_FOUND", "no", "p")}


def test_a_batch_is_answered_in_the_order_of_its_calls() -> None:
    assert batch_body([b"1", b"2"]) == b"[1,2]"
    assert batch_body([]) == b"[]"


@pytest.mark.parametrize("code", CODES)
def test_the_status_is_that_of_the_error(code: ErrorCode) -> None:
    assert http_status(error_shape(code, "", None)) == CODES[code].http_status


@pytest.mark.parametrize(
    ("shape", "status"),
    [
        ({"data": {"httpStatus": 418}}, 418),
        ({"data": {"httpStatus": 418}, "code": -32600}, 418),
        ({"data": {"httpStatus": 99}, "code": -32600}, 400),
        ({"data": {"httpStatus": 600}, "code": -32600}, 400),
        ({"data": {"httpStatus": True}, "code": -32600}, 400),
        ({"data": {"httpStatus": "418"}, "code": -32004}, 404),
        ({"data": {}, "code": -32603}, 500),
        ({"data": None, "code": -32600}, 400),
        ({"code": -32700}, 400),
        ({"code": 1}, 500),
        ({"code": "x"}, 500),
        ({}, 500),
    ],
)
def test_a_formatter_may_change_the_status_and_an_unusable_one_comes_from_the_code(
    shape: Mapping[str, Any], status: int
) -> None:
    assert http_status(shape) == status


@pytest.mark.parametrize(
    ("statuses", "status"), [([200], 200), ([200, 200], 200), ([404, 404], 404), ([200, 404], 207)]
)
def test_a_batch_with_different_statuses_is_multi_status(statuses: list[int], status: int) -> None:
    assert status_of(statuses) == status
