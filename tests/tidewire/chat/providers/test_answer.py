"""Events to deltas, without a socket."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.tidewire.chat.providers.reading import Reading, read_all
from tidewire.chat.providers import Delta, Finish, ProviderTruncatedError, TokenUsage
from tidewire.chat.providers.answer import Answer
from tidewire.chat.providers.body import Body


def deltas_of(body: bytes) -> Iterator[Delta]:
    answer, frames = Answer("req_1"), Body()
    deltas: list[Delta] = []
    try:
        for event in frames.feed(body):
            answer.take(event, deltas)
        tail = frames.close()
        if tail:
            answer.take(tail, deltas, cut=True)
    finally:
        yield from deltas
    yield from answer.end(None, frames)


def reading_of(body: bytes) -> Reading:
    return read_all(deltas_of(body))


def body_of(*chunks: object, done: bool = True) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks) + (
        b"data: [DONE]\n\n" if done else b""
    )


def said(finish_reason: object = None, index: object = 0, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish_reason}]}


WHOLE_MESSAGE = {"choices": [{"message": {"content": "a"}}]}


@pytest.mark.parametrize(
    ("chunks", "text"),
    [
        pytest.param([said(content="a"), said(content=""), said(content=None)], "a", id="string"),
        pytest.param(
            [said(content=[{"type": "text", "text": "a"}, {"text": "b"}, "c", 1])], "abc", id="parts"
        ),
        pytest.param([said(content={"odd": 1}), said(content=5)], "", id="neither string nor parts"),
        pytest.param([said(content="<think>x</think>y")], "<think>x</think>y", id="think tags stay"),
        pytest.param(
            [said(content="a"), said(content="X", index=1), said(content="b", index=None)],
            "ab",
            id="choice 0",
        ),
        pytest.param([WHOLE_MESSAGE], "a", id="message"),
        pytest.param(
            [{"choices": [{"delta": {"content": "a"}, "message": {"content": "a"}}]}, WHOLE_MESSAGE],
            "a",
            id="message beside delta, and at the end",
        ),
        pytest.param(
            [said("stop", content="a"), said(content="b")], "ab", id="content after the finish reason"
        ),
        pytest.param(
            [said(content="a"), {}, {"choices": None}, {"choices": []}, {"choices": [{}]}], "a", id="empty"
        ),
        pytest.param(
            [said(content="a", tool_calls=None, refusal=None, role="x", new=[1])], "a", id="unknown fields"
        ),
    ],
)
def test_text_is_found(chunks: list[object], text: str) -> None:
    reading = reading_of(body_of(*chunks))
    assert reading.text == text
    assert reading.finish is not None


@pytest.mark.parametrize(
    ("delta", "reasoning"),
    [
        ({"reasoning_content": "r"}, "r"),
        ({"reasoning": "r"}, "r"),
        ({"reasoning_details": [{"type": "reasoning.text", "text": "r"}]}, "r"),
        ({"reasoning_details": [{"type": "reasoning.summary", "summary": "r"}]}, "r"),
        ({"reasoning": "r", "reasoning_details": [{"text": "r"}]}, "r"),
        ({"reasoning_content": "r", "reasoning": "r"}, "r"),
        ({"reasoning_content": "", "reasoning": None, "reasoning_details": []}, ""),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "r"}]}]}, "r"),
        ({"reasoning": {"odd": 1}, "reasoning_details": "odd"}, ""),
    ],
)
def test_reasoning_is_found_once(delta: dict[str, Any], reasoning: str) -> None:
    reading = reading_of(body_of(said(**delta)))
    assert (reading.reasoning, reading.text) == (reasoning, "")


def test_a_refusal_is_kept_apart_from_text() -> None:
    reading = reading_of(body_of(said(refusal="No"), said(refusal=".")))
    assert (reading.refusal, reading.text) == ("No.", "")


def test_tool_calls_are_found_in_a_whole_message() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body = json.dumps({"choices": [{"message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]})
    reading = reading_of(body.encode())
    assert reading.calls == [("a", "f", "{}")]
    assert reading.finish == Finish("tool_calls")


def test_a_call_that_never_gets_a_name_begins_before_the_end() -> None:
    reading = reading_of(body_of(said(tool_calls=[{"id": "a", "function": {"arguments": "{}"}}])))
    assert reading.calls == [("a", "", "{}")]
    assert reading.finish is not None


@pytest.mark.parametrize(
    ("fields", "usage"),
    [
        (
            {"usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}},
            TokenUsage(input_tokens=1, output_tokens=2),
        ),
        (
            {
                "usage": {
                    "prompt_tokens": 1,
                    "completion_tokens": 2,
                    "prompt_tokens_details": {"cached_tokens": 3},
                    "completion_tokens_details": {"reasoning_tokens": 4},
                }
            },
            TokenUsage(input_tokens=1, output_tokens=2, cached_input_tokens=3, reasoning_tokens=4),
        ),
        (
            {"usage": {"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": None}},
            TokenUsage(input_tokens=1, output_tokens=2),
        ),
        (
            {"usage": None, "x_groq": {"id": "r", "usage": {"prompt_tokens": 1, "completion_tokens": 2}}},
            TokenUsage(input_tokens=1, output_tokens=2),
        ),
        ({"usage": {}}, None),
        ({"usage": "free"}, None),
        ({"usage": {"prompt_tokens": "many", "completion_tokens": 2}}, None),
        ({"usage": None, "x_groq": "odd"}, None),
    ],
)
def test_usage_is_found(fields: dict[str, Any], usage: TokenUsage | None) -> None:
    reading = reading_of(body_of(said("stop", content="a") | fields))
    assert reading.usage == usage
    assert reading.finish == Finish("stop")


def test_the_last_usage_counts() -> None:
    reports = [{"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": n}} for n in (1, 2)]
    reading = reading_of(body_of(said(content="a"), *reports))
    assert reading.usage == TokenUsage(input_tokens=1, output_tokens=2)


USAGE = {"prompt_tokens": 1, "completion_tokens": 2}


@pytest.mark.parametrize(
    ("body", "finish"),
    [
        pytest.param(json.dumps(WHOLE_MESSAGE).encode(), Finish(None), id="one object"),
        pytest.param(body_of(said(content="a")), Finish(None), id="[DONE]"),
        pytest.param(body_of(said("stop", content="a"), done=False), Finish("stop"), id="finish reason"),
        pytest.param(
            body_of(said("length"), said("stop"), said(None), done=False),
            Finish("stop"),
            id="the last reason",
        ),
        pytest.param(
            body_of(said(content="a"), {"choices": [], "usage": USAGE}, done=False),
            Finish(None),
            id="usage chunk",
        ),
        pytest.param(
            body_of(said("stop"), done=False) + b'data: {"choi', Finish("stop"), id="then a cut chunk"
        ),
        pytest.param(
            body_of(said(content="a")) + b"data: {broken\n\n", Finish(None), id="anything after [DONE]"
        ),
        pytest.param(
            body_of(said(content="a"), done=False) + b"data: [DONE]", Finish(None), id="no last line end"
        ),
        pytest.param(
            body_of(said(content="a"), done=False) + b"data:[DONE]\r\n\r\n", Finish(None), id="no blank"
        ),
    ],
)
def test_an_answer_with_an_end_mark_is_whole(body: bytes, finish: Finish) -> None:
    assert reading_of(body).finish == finish


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b": PROCESSING\n\n", id="a comment"),
        pytest.param(b'data: {"choices"', id="a piece of a chunk"),
        pytest.param(body_of(said(content="a"), done=False), id="no end mark"),
        pytest.param(body_of(said("", content="a"), done=False), id="an empty finish reason"),
        pytest.param(body_of(said("stop", index=1), done=False), id="the finish reason of another choice"),
        pytest.param(body_of(said(content="a") | {"usage": USAGE}, done=False), id="usage beside a token"),
        pytest.param(
            body_of({"choices": [], "usage": USAGE}, said(content="a"), done=False), id="usage, then more"
        ),
        pytest.param(body_of(said(content="a"), done=False) + b"data: [DON", id="a cut end mark"),
        pytest.param(b'{"choices": [{"message": {"content": "a"}', id="a cut completion"),
    ],
)
def test_an_answer_without_an_end_mark_is_truncated(body: bytes) -> None:
    reading = reading_of(body)
    assert reading.finish is None
    assert isinstance(reading.error, ProviderTruncatedError)
    assert (reading.error.code, reading.error.retryable) == ("BAD_GATEWAY", True)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<!DOCTYPE html>\n<html></html>\n", id="HTML"),
        pytest.param(b"Not Found", id="plain text"),
        pytest.param(b'{"detail": "ok"}', id="other JSON"),
        pytest.param(b"{}", id="an empty object"),
        pytest.param(b"data: [DONE]\n\n", id="an end mark alone"),
    ],
)
def test_what_is_no_answer_is_told_as_such(body: bytes) -> None:
    error = reading_of(body).error
    assert error is not None
    assert error.code == "BAD_GATEWAY"
    assert "did not answer with an event stream" in error.message


@pytest.mark.parametrize(
    ("report", "code", "retryable"),
    [
        ({"type": "rate_limit_error", "message": "slow down"}, "TOO_MANY_REQUESTS", True),
        ({"type": "tokens", "code": "rate_limit_exceeded"}, "TOO_MANY_REQUESTS", True),
        ({"type": "insufficient_quota", "code": "insufficient_quota"}, "TOO_MANY_REQUESTS", False),
        ({"type": "server_error", "code": None}, "BAD_GATEWAY", True),
        ({"type": "overloaded_error"}, "SERVICE_UNAVAILABLE", True),
        (
            {"type": "invalid_request_error", "code": "tool_use_failed", "status_code": 400},
            "BAD_REQUEST",
            False,
        ),
        ({"type": "invalid_request_error", "code": "context_length_exceeded"}, "PAYLOAD_TOO_LARGE", False),
        ({"code": 429, "message": "limited"}, "TOO_MANY_REQUESTS", True),
        ({"code": "503"}, "SERVICE_UNAVAILABLE", True),
        ({"status": 401}, "UNAUTHORIZED", False),
        ({"code": 418}, "BAD_GATEWAY", False),
        ({"code": 7}, "BAD_GATEWAY", True),
        ({"message": "boom"}, "BAD_GATEWAY", True),
        ("rate_limit_exceeded", "TOO_MANY_REQUESTS", True),
        ("boom", "BAD_GATEWAY", True),
        (["odd"], "BAD_GATEWAY", True),
    ],
)
def test_an_error_in_the_stream_has_this_code(report: object, code: str, retryable: bool) -> None:
    reading = reading_of(body_of(said(content="a"), {"error": report}))
    assert reading.text == "a"
    assert reading.finish is None
    assert reading.error is not None
    assert (reading.error.code, reading.error.retryable) == (code, retryable)


REPORT = b'{"message":"slow","type":"rate_limit_error"}'
CHUNK_WITH_ERROR = said("error", content="") | {"error": {"code": 502}}
CHOICE_WITH_ERROR = {"choices": [{"index": 0, "delta": {"content": "b"}, "error": {"code": 502}}]}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(
            b'event: error\ndata: {"error":%b}\n\n' % REPORT, "TOO_MANY_REQUESTS", id="event: error"
        ),
        pytest.param(b"event: error\ndata: %b\n\n" % REPORT, "TOO_MANY_REQUESTS", id="without a wrapping"),
        pytest.param(b"event: error\ndata: slow down\n\n", "BAD_GATEWAY", id="plain text"),
        pytest.param(b'data: {"object":"error","code":400}\n\n', "BAD_REQUEST", id="object: error"),
        pytest.param(body_of(CHUNK_WITH_ERROR), "BAD_GATEWAY", id="beside choices"),
        pytest.param(body_of(CHOICE_WITH_ERROR), "BAD_GATEWAY", id="in a choice"),
        pytest.param(body_of(said("error")), "BAD_GATEWAY", id="only a finish reason"),
        pytest.param(body_of(said("insufficient_system_resource")), "SERVICE_UNAVAILABLE", id="DeepSeek's"),
        pytest.param(body_of(said(), {"x_groq": {"error": "over_capacity"}}), "BAD_GATEWAY", id="Groq's"),
        pytest.param(
            body_of(said("stop"), {"error": {"code": 502}}), "BAD_GATEWAY", id="after the finish reason"
        ),
        pytest.param(body_of({"error": {"code": 429}})[6:-16], "TOO_MANY_REQUESTS", id="instead of a stream"),
        pytest.param(b'data: {"choices": [}\n\n', "BAD_GATEWAY", id="broken JSON"),
        pytest.param(b"data: [1]\n\n", "BAD_GATEWAY", id="no object"),
        pytest.param(b'data: {"choices": {"index": 0}}\n\n', "BAD_GATEWAY", id="no list of choices"),
        pytest.param(b"data: " + b"[" * 100_000 + b"\n\n", "BAD_GATEWAY", id="nested too deep"),
    ],
)
def test_every_form_of_failure_ends_the_answer(body: bytes, code: str) -> None:
    reading = reading_of(body_of(said(content="a"), done=False) + body if body[:1] != b"{" else body)
    assert reading.finish is None
    assert reading.error is not None
    assert not isinstance(reading.error, ProviderTruncatedError)
    assert reading.error.code == code
    assert "req_1" in reading.error.detail


@pytest.mark.parametrize("field", ["error", "message", "delta"])
def test_null_is_as_good_as_absent(field: str) -> None:
    chunk = {"choices": [{"delta": {"content": "a"}} | {field: None}], "error": None}
    assert reading_of(body_of(chunk)).error is None


def test_json_that_only_javascript_and_python_write_is_read_too() -> None:
    body = b'data: {"n":NaN,"choices":[{"delta":{"content":"a\\ud83d"}}]}\n\ndata: [DONE]\n\n'
    assert reading_of(body).text == "a\N{REPLACEMENT CHARACTER}"


SHORT = body_of(
    said(role="assistant", content=""),
    said(content="Grüße "),
    said(content="😀!"),
    said("stop"),
    {"choices": [], "usage": USAGE},
)


def test_a_body_that_ends_at_any_byte_is_whole_only_after_the_end_mark() -> None:
    proof = SHORT.index(b'"stop"}]}') + len(b'"stop"}]}')
    for end in range(len(SHORT) + 1):
        reading = reading_of(SHORT[:end])
        assert "Grüße 😀!".startswith(reading.text)
        assert (reading.finish is not None) is (end >= proof), SHORT[:end]
        assert isinstance(reading.error, ProviderTruncatedError | None)
