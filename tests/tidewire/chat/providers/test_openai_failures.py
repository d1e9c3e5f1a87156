"""What the OpenAI provider says when its server fails, and what it does not say."""

import asyncio
import socket
import time

import pytest

from tests.tidewire.chat.providers.conftest import API_KEY, Connect
from tests.tidewire.chat.providers.reading import HELLO, read
from tests.upstream import (
    DONE,
    ROLE,
    Cut,
    Script,
    Send,
    Stall,
    Upstream,
    chunk,
    event,
    failure,
    html_answer,
    json_answer,
    stream,
    text_answer,
)
from tidewire.chat.providers import Finish, Provider, ProviderError, ProviderTruncatedError

STALL_SECONDS = 0.5
"""Long enough for what does come, even if the machine is busy."""


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (400, "BAD_REQUEST", False),
        (401, "UNAUTHORIZED", False),
        (402, "PAYMENT_REQUIRED", False),
        (403, "FORBIDDEN", False),
        (404, "NOT_FOUND", False),
        (408, "GATEWAY_TIMEOUT", True),
        (409, "BAD_GATEWAY", False),
        (413, "PAYLOAD_TOO_LARGE", False),
        (418, "BAD_GATEWAY", False),
        (422, "UNPROCESSABLE_CONTENT", False),
        (429, "TOO_MANY_REQUESTS", True),
        (500, "BAD_GATEWAY", True),
        (502, "BAD_GATEWAY", True),
        (503, "SERVICE_UNAVAILABLE", True),
        (504, "BAD_GATEWAY", True),
        (505, "BAD_GATEWAY", True),
    ],
)
async def test_a_status_has_this_code(
    upstream: Upstream, provider: Provider, status: int, code: str, retryable: bool
) -> None:
    upstream.script(failure(status, "the provider's own words", type="some_error"))
    reading = await read(provider.stream(HELLO))
    assert reading.deltas == []
    assert reading.error is not None
    assert (reading.error.code, reading.error.retryable) == (code, retryable)
    assert "own words" not in reading.error.message
    for part in (f"HTTP {status}", "req_1", "the provider's own words"):
        assert part in reading.error.detail


@pytest.mark.parametrize(
    ("status", "word", "code", "retryable"),
    [
        (400, "context_length_exceeded", "PAYLOAD_TOO_LARGE", False),
        (400, "content_filter", "BAD_REQUEST", False),
        (429, "insufficient_quota", "TOO_MANY_REQUESTS", False),
        (429, "rate_limit_exceeded", "TOO_MANY_REQUESTS", True),
        (500, "invalid_request_error", "BAD_GATEWAY", True),
    ],
)
async def test_an_error_code_can_say_more_than_the_status(
    upstream: Upstream, provider: Provider, status: int, word: str, code: str, retryable: bool
) -> None:
    upstream.script(failure(status, code=word))
    error = (await read(provider.stream(HELLO))).error
    assert error is not None
    assert (error.code, error.retryable) == (code, retryable)


NO_WAIT = {"retry-after-ms": "1"}


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
async def test_a_passing_failure_is_tried_again(upstream: Upstream, connect: Connect, status: int) -> None:
    upstream.script(*[failure(status, headers=NO_WAIT)] * 2, text_answer("Hi"))
    reading = await read(connect(max_retries=2).stream(HELLO))
    assert (reading.text, reading.finish) == ("Hi", Finish("stop"))
    assert len(upstream.requests) == 3


async def test_retries_come_to_an_end(upstream: Upstream, connect: Connect) -> None:
    upstream.always(failure(429, headers=NO_WAIT))
    reading = await read(connect(max_retries=2).stream(HELLO))
    assert reading.error is not None
    assert reading.error.code == "TOO_MANY_REQUESTS"
    assert len(upstream.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_a_lasting_failure_is_not_tried_again(
    upstream: Upstream, connect: Connect, status: int
) -> None:
    upstream.always(failure(status, headers=NO_WAIT))
    assert (await read(connect(max_retries=2).stream(HELLO))).error is not None
    assert len(upstream.requests) == 1


async def test_a_stream_that_broke_off_is_not_tried_again(upstream: Upstream, connect: Connect) -> None:
    upstream.always(stream(ROLE, chunk({"content": "Hel"}), Cut()))
    reading = await read(connect(max_retries=2).stream(HELLO))
    assert reading.text == "Hel"
    assert isinstance(reading.error, ProviderTruncatedError)
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("script", "text"),
    [
        pytest.param(stream(Stall()), "", id="before the headers"),
        pytest.param(stream(Send(b""), Stall()), "", id="before the first byte"),
        pytest.param(stream(chunk({"content": "Hel"}), Stall()), "Hel", id="in the text"),
        pytest.param(stream(chunk({"content": "Hel"}), Send(b"data: {"), Stall()), "Hel", id="in a chunk"),
    ],
)
async def test_a_stalled_answer_is_given_up(
    upstream: Upstream, connect: Connect, script: Script, text: str
) -> None:
    upstream.script(script)
    reading = await read(connect(stall_timeout=STALL_SECONDS).stream(HELLO))
    assert reading.text == text
    assert reading.error is not None
    assert not isinstance(reading.error, ProviderTruncatedError)
    assert (reading.error.code, reading.error.retryable) == ("GATEWAY_TIMEOUT", True)
    await upstream.requests[0].hung_up.wait()


async def test_an_answer_that_stalls_after_its_end_mark_is_whole(
    upstream: Upstream, connect: Connect
) -> None:
    upstream.script(stream(chunk({"content": "Hi"}), chunk({}, "stop"), Stall()))
    assert (await read(connect(stall_timeout=STALL_SECONDS).stream(HELLO))).finish == Finish("stop")


async def test_comments_are_signs_of_life(upstream: Upstream, connect: Connect) -> None:
    # Every gap is shorter than the timeout, all together are longer.
    gates = [asyncio.Event() for _ in range(4)]
    steps = [Send(b": PROCESSING\n\n")] * len(gates)
    script = stream(*steps, chunk({"content": "Hi"}), DONE)
    for position, gate in reversed(list(enumerate(gates, 1))):
        script = script.hold(position, gate)
    upstream.script(script)
    started_at = time.monotonic()
    for number, gate in enumerate(gates, 1):
        asyncio.get_running_loop().call_later(number * STALL_SECONDS * 0.3, gate.set)
    reading = await read(connect(stall_timeout=STALL_SECONDS).stream(HELLO))
    assert reading.text == "Hi"
    assert time.monotonic() - started_at > STALL_SECONDS


async def test_a_server_that_is_not_there_is_told_as_such(connect: Connect) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        provider = connect(base_url=f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        error = (await read(provider.stream(HELLO))).error
    assert error is not None
    assert (error.code, error.retryable) == ("BAD_GATEWAY", True)
    assert "cannot be reached" in error.message


async def test_a_server_that_closes_without_an_answer_is_told_as_such(
    upstream: Upstream, provider: Provider
) -> None:
    upstream.script(stream(Cut()))
    error = (await read(provider.stream(HELLO))).error
    assert error is not None
    assert (error.code, error.retryable) == ("BAD_GATEWAY", True)


async def test_a_body_that_cannot_be_decompressed_is_an_error(upstream: Upstream, provider: Provider) -> None:
    script = text_answer("Hi")
    upstream.script(Script(script.steps, headers={**script.headers, "content-encoding": "gzip"}))
    error = (await read(provider.stream(HELLO))).error
    assert error is not None
    assert error.code == "BAD_GATEWAY"


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(html_answer(), id="HTML"),
        pytest.param(Script(html_answer().steps), id="HTML called an event stream"),
        pytest.param(json_answer({"status": "ok"}), id="other JSON"),
        pytest.param(stream(DONE), id="an end mark alone"),
    ],
)
async def test_what_is_no_answer_is_told_as_such(
    upstream: Upstream, provider: Provider, script: Script
) -> None:
    upstream.script(script)
    reading = await read(provider.stream(HELLO))
    assert reading.deltas == []
    assert reading.error is not None
    assert reading.error.code == "BAD_GATEWAY"
    assert "did not answer with an event stream" in reading.error.message


async def test_html_that_is_a_stream_without_end_is_not_read(upstream: Upstream, provider: Provider) -> None:
    upstream.script(Script([Send(b"<html>"), Stall()], headers={"content-type": "text/html"}))
    assert (await read(provider.stream(HELLO))).error is not None
    await upstream.requests[0].hung_up.wait()


@pytest.mark.parametrize(
    ("step", "code"),
    [
        pytest.param(Send(b'data: {"choices":[\n\n'), "BAD_GATEWAY", id="broken JSON"),
        pytest.param(event({"error": {"type": "rate_limit_error"}}), "TOO_MANY_REQUESTS", id="error"),
        pytest.param(event({"error": {"code": 503}}, name="error"), "SERVICE_UNAVAILABLE", id="event: error"),
    ],
)
async def test_text_before_an_error_is_kept(
    upstream: Upstream, provider: Provider, step: Send, code: str
) -> None:
    upstream.script(stream(chunk({"content": "Hel"}), step, chunk({"content": "lo"}, "stop"), DONE))
    reading = await read(provider.stream(HELLO))
    assert reading.text == "Hel"
    assert reading.finish is None
    assert reading.error is not None
    assert reading.error.code == code


async def test_an_error_instead_of_a_stream_is_an_error(upstream: Upstream, provider: Provider) -> None:
    upstream.script(json_answer({"error": {"type": "server_error", "message": "no"}}))
    error = (await read(provider.stream(HELLO))).error
    assert error is not None
    assert error.code == "BAD_GATEWAY"


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(failure(401, f"Incorrect API key provided: {API_KEY}."), id="in a refusal"),
        pytest.param(failure(500, "x" * 990 + API_KEY), id="at the end of a long text"),
        pytest.param(stream(event({"error": {"message": f"key {API_KEY}"}})), id="in an error event"),
        pytest.param(stream(Send(f"data: {API_KEY}\n\n".encode())), id="in broken JSON"),
    ],
)
async def test_the_key_is_never_repeated(upstream: Upstream, provider: Provider, script: Script) -> None:
    upstream.script(script)
    error: BaseException | None = (await read(provider.stream(HELLO))).error
    assert isinstance(error, ProviderError)
    assert API_KEY[:8] not in f"{error} {error.message} {error.detail}"
    assert error.__cause__ is None
    assert error.__suppress_context__


async def test_a_key_that_no_header_can_hold_is_not_repeated_either(
    upstream: Upstream, connect: Connect
) -> None:
    error = (await read(connect(api_key=f"{API_KEY}\n").stream(HELLO))).error
    assert error is not None
    assert error.code == "BAD_GATEWAY"
    assert API_KEY not in error.detail
    assert upstream.connections == 0


async def test_a_key_that_is_a_word_is_left_in_the_log(upstream: Upstream, connect: Connect) -> None:
    upstream.script(failure(500, "ollama has crashed"))
    error = (await read(connect(api_key="ollama").stream(HELLO))).error
    assert error is not None
    assert "ollama has crashed" in error.detail


async def test_the_log_gets_a_bounded_text(upstream: Upstream, provider: Provider) -> None:
    upstream.script(failure(500, "x" * 100_000))
    error = (await read(provider.stream(HELLO))).error
    assert error is not None
    assert len(str(error)) < 2000


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        pytest.param(failure(401), "UNAUTHORIZED", id="refused"),
        pytest.param(failure(500), "BAD_GATEWAY", id="failed"),
        pytest.param(html_answer(), "BAD_GATEWAY", id="HTML"),
        pytest.param(json_answer({"data": [{"name": "no id"}]}), "BAD_GATEWAY", id="odd JSON"),
    ],
)
async def test_a_list_of_models_that_cannot_be_had_is_an_error(
    upstream: Upstream, provider: Provider, answer: Script, code: str
) -> None:
    upstream.models = answer
    with pytest.raises(ProviderError) as caught:
        await provider.models()
    assert caught.value.code == code


async def test_a_failure_to_list_the_models_is_not_remembered(upstream: Upstream, provider: Provider) -> None:
    good, upstream.models = upstream.models, failure(500)
    with pytest.raises(ProviderError):
        await provider.models()
    upstream.models = good
    assert await provider.models() == ["some-model", "fake-model"]
