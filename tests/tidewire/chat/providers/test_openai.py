"""The OpenAI provider against a real server: what it sends, reads and closes."""

import asyncio
import gzip
from collections.abc import Callable
from contextlib import aclosing

import pytest

from tests.tidewire.chat.providers.conftest import API_KEY, Connect
from tests.tidewire.chat.providers.reading import HELLO, read
from tests.upstream import (
    DONE,
    ROLE,
    Script,
    Send,
    Stall,
    Upstream,
    chunk,
    failure,
    json_answer,
    stream,
    text_answer,
    tool_answer,
    usage_chunk,
)
from tidewire.chat.providers import (
    Finish,
    OpenAIProvider,
    Prompt,
    Provider,
    ProviderTruncatedError,
    Text,
    TokenUsage,
    ToolCallArguments,
    ToolCallBegin,
)

USAGE = TokenUsage(input_tokens=7, output_tokens=5)

# Seconds, for a machine that is busy: who waits for the provider waits for ever.
AT_ONCE = 1.0


async def test_a_text_answer_comes_word_by_word(upstream: Upstream, provider: Provider) -> None:
    upstream.script(text_answer("Hello big world"))
    reading = await read(provider.stream(HELLO))
    assert reading.deltas == [Text("Hello "), Text("big "), Text("world"), USAGE, Finish("stop")]


async def test_tool_calls_come_with_their_arguments(upstream: Upstream, provider: Provider) -> None:
    upstream.script(tool_answer([("call_1", "f", '{"x":1}'), ("call_2", "g", "{}")]))
    reading = await read(provider.stream(HELLO))
    assert reading.calls == [("call_1", "f", '{"x":1}'), ("call_2", "g", "{}")]
    assert reading.usage == USAGE
    assert reading.finish == Finish("tool_calls")


async def test_the_first_word_comes_before_the_answer_has_ended(
    upstream: Upstream, provider: Provider
) -> None:
    gate = asyncio.Event()
    upstream.script(text_answer("Hello world").hold(2, gate))
    async with aclosing(provider.stream(HELLO)) as answer:
        assert await anext(answer) == [Text("Hello ")]
        assert not upstream.requests[0].answered.is_set()
        gate.set()
        assert await anext(answer) == [Text("world")]


async def test_the_request_is_what_the_server_expects(upstream: Upstream, provider: Provider) -> None:
    upstream.script(text_answer("Hi"))
    await read(provider.stream(HELLO))
    request = upstream.requests[0]
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == f"Bearer {API_KEY}"
    assert request.json == {
        "model": "some-model",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_a_server_without_a_key_is_asked_too(
    upstream: Upstream, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    upstream.script(text_answer("Hi"))
    assert (await read(connect(api_key=None).stream(HELLO))).text == "Hi"
    assert "somebody" not in upstream.requests[0].headers["authorization"]


@pytest.mark.parametrize("size", [1, 2, 7])
async def test_pieces_of_any_size_give_the_same_answer(
    upstream: Upstream, provider: Provider, size: int
) -> None:
    script = text_answer("Grüße 😀 \u2028 end")
    upstream.script(script, script.split_into(size))
    whole, split = await read(provider.stream(HELLO)), await read(provider.stream(HELLO))
    assert whole.text == "Grüße 😀 \u2028 end"
    assert split == whole


async def test_a_server_that_does_not_stream_is_understood(upstream: Upstream, provider: Provider) -> None:
    message = {"role": "assistant", "content": "All at once"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    upstream.script(json_answer({"choices": choices, "usage": {"prompt_tokens": 7, "completion_tokens": 5}}))
    assert (await read(provider.stream(HELLO))).deltas == [Text("All at once"), USAGE, Finish("stop")]


async def test_the_end_mark_ends_the_answer_though_the_connection_stays_open(
    upstream: Upstream, provider: Provider
) -> None:
    upstream.script(stream(*text_answer("Hi").steps, Stall()))
    reading = await read(provider.stream(HELLO))
    assert reading.finish == Finish("stop")
    await upstream.requests[0].hung_up.wait()


async def test_nothing_after_the_end_mark_counts(upstream: Upstream, provider: Provider) -> None:
    upstream.script(stream(*text_answer("Hi").steps, chunk({"content": "more"}), Send(b"data: {\n\n")))
    reading = await read(provider.stream(HELLO))
    assert (reading.text, reading.finish) == ("Hi", Finish("stop"))


async def test_a_connection_serves_one_answer_after_the_other(upstream: Upstream, provider: Provider) -> None:
    upstream.always(text_answer("Hi"))
    for _ in range(3):
        await read(provider.stream(HELLO))
    assert upstream.connections == 1


async def test_a_compressed_stream_is_read(upstream: Upstream, provider: Provider) -> None:
    script = text_answer("Hello big world")
    headers = {**script.headers, "content-encoding": "gzip"}
    upstream.script(Script([Send(gzip.compress(script.body))], headers=headers).split_into(20))
    reading = await read(provider.stream(HELLO))
    assert (reading.text, reading.finish) == ("Hello big world", Finish("stop"))


async def test_a_redirect_is_followed(upstream: Upstream, provider: Provider) -> None:
    address = {"location": f"{upstream.base_url}/chat/completions"}
    upstream.script(Script([], status=307, headers=address), text_answer("Hi"))
    assert (await read(provider.stream(HELLO))).text == "Hi"
    assert upstream.requests[0].json == upstream.requests[1].json


async def test_a_proxy_of_the_environment_is_asked(
    upstream: Upstream, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", upstream.base_url.removesuffix("/v1"))
    await read(connect(base_url="http://model.invalid/v1").stream(HELLO))
    assert upstream.requests[0].path == "http://model.invalid/v1/chat/completions"


async def test_answers_do_not_mix(upstream: Upstream, provider: Provider) -> None:
    upstream.always(lambda request: text_answer(f"You are {request.json['model']} now"))
    prompts = [Prompt(model=str(n), messages=HELLO.messages) for n in range(20)]
    readings = await asyncio.gather(*(read(provider.stream(prompt)) for prompt in prompts))
    assert [reading.text for reading in readings] == [f"You are {n} now" for n in range(20)]


SHORT = stream(
    Send('data: {"choices":[{"delta":{"content":"Grüße "}}]}\n\n'.encode()),
    Send('data: {"choices":[{"delta":{"content":"😀!"}}]}\r\n\r\n'.encode()),
    Send(b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'),
    DONE,
)


def end_of(text: str) -> int:
    """Where the JSON ends that holds `text`; a server may leave out the line end after it."""
    return SHORT.body.index(b"}]}", SHORT.body.index(text.encode())) + len(b"}]}")


async def test_a_connection_cut_at_any_byte_is_success_only_after_the_end_mark(
    upstream: Upstream, provider: Provider
) -> None:
    for length in range(len(SHORT.body) + 1):
        upstream.script(SHORT.cut_at(length))
        reading = await read(provider.stream(HELLO))
        assert reading.text == "".join(text for text in ("Grüße ", "😀!") if end_of(text) <= length)
        if length < end_of("stop"):
            assert isinstance(reading.error, ProviderTruncatedError), length
            assert reading.finish is None
        else:
            assert reading.finish == Finish("stop"), length


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(stream(ROLE, Stall()), id="before the first token"),
        pytest.param(stream(Stall()), id="before the headers"),
        pytest.param(stream(Send(b""), Stall()), id="before the first byte"),
        pytest.param(text_answer("Hello world").hold(2, asyncio.Event()), id="in text"),
        pytest.param(tool_answer([("a", "f", '{"x":1}')]).hold(3, asyncio.Event()), id="in arguments"),
    ],
)
async def test_cancelling_closes_the_request_at_once(
    upstream: Upstream, provider: Provider, script: Script
) -> None:
    upstream.script(script)
    task = asyncio.create_task(read(provider.stream(HELLO)))
    request = await upstream.arrived()
    await request.waiting.wait()
    cancelled_at = asyncio.get_running_loop().time()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await request.hung_up.wait()
    assert request.hung_up_at is not None
    assert request.hung_up_at - cancelled_at < AT_ONCE


async def test_closing_the_answer_closes_the_request(upstream: Upstream, provider: Provider) -> None:
    upstream.script(text_answer("Hello world").hold(2, asyncio.Event()))
    answer = provider.stream(HELLO)
    await anext(answer)
    closed_at = asyncio.get_running_loop().time()
    await answer.aclose()
    request = upstream.requests[0]
    await request.hung_up.wait()
    assert request.hung_up_at is not None
    assert request.hung_up_at - closed_at < AT_ONCE


async def test_a_closed_answer_leaves_no_task_behind(upstream: Upstream, provider: Provider) -> None:
    upstream.always(text_answer("Hello world").hold(2, asyncio.Event()))
    before = asyncio.all_tasks()
    for _ in range(5):
        async with aclosing(provider.stream(HELLO)) as answer:
            await anext(answer)
    while left := asyncio.all_tasks() - before:
        _, pending = await asyncio.wait(left, timeout=5)
        assert not pending


@pytest.mark.parametrize("status", [400, 422])
async def test_a_server_that_refuses_stream_options_is_asked_without_them(
    upstream: Upstream, provider: Provider, status: int
) -> None:
    upstream.script(failure(status, "Unknown parameter: 'stream_options'."))
    upstream.always(text_answer("Hi"))
    for _ in range(2):
        assert (await read(provider.stream(HELLO))).text == "Hi"
    assert ["stream_options" in request.json for request in upstream.requests] == [True, False, False]


async def test_two_requests_that_are_refused_at_once_are_both_asked_again(
    upstream: Upstream, provider: Provider
) -> None:
    both_are_there = asyncio.Event()
    upstream.script(*[failure(400, "stream_options is not supported").hold(0, both_are_there)] * 2)
    upstream.always(text_answer("Hi"))
    asking = asyncio.gather(*(read(provider.stream(HELLO)) for _ in range(2)))
    await upstream.arrived(2)
    both_are_there.set()
    readings = await asking
    assert [reading.text for reading in readings] == ["Hi", "Hi"]
    assert len(upstream.requests) == 4


async def test_the_refusal_of_anything_else_is_final(upstream: Upstream, provider: Provider) -> None:
    upstream.script(failure(400, "Unknown parameter: 'temperature'."))
    reading = await read(provider.stream(HELLO))
    assert reading.error is not None
    assert reading.error.code == "BAD_REQUEST"
    assert len(upstream.requests) == 1


def ids(request_models: list[str]) -> Script:
    return json_answer({"object": "list", "data": [{"id": model} for model in request_models]})


async def test_configured_models_are_offered_without_asking(upstream: Upstream, connect: Connect) -> None:
    assert await connect(models=["b", "some-model", "b"]).models() == ["some-model", "b"]
    assert upstream.model_requests == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(ids(["b", "some-model", "b"]), id="OpenAI's"),
        pytest.param(json_answer([{"id": "b", "extra": 1}]), id="a bare list"),
    ],
)
async def test_the_servers_models_are_offered_the_default_first(
    upstream: Upstream, provider: Provider, answer: Script
) -> None:
    upstream.models = answer
    assert await provider.models() == ["some-model", "b"]


async def test_the_list_of_models_is_asked_for_once(upstream: Upstream, provider: Provider) -> None:
    await asyncio.gather(*(provider.models() for _ in range(5)))
    assert len(upstream.model_requests) == 1


async def test_an_old_list_of_models_is_asked_for_again(upstream: Upstream, connect: Connect) -> None:
    provider = connect(models_max_age=0)
    await provider.models()
    upstream.models = ids(["new"])
    assert await provider.models() == ["some-model", "new"]


async def test_the_provider_says_its_name(provider: OpenAIProvider) -> None:
    as_interface: Provider = provider
    assert (as_interface.name, as_interface.default_model) == ("openai", "some-model")


async def test_a_call_begins_before_its_arguments_are_written(upstream: Upstream, provider: Provider) -> None:
    gate = asyncio.Event()
    upstream.script(tool_answer([("a", "f", '{"x":1}')]).hold(2, gate))
    async with aclosing(provider.stream(HELLO)) as answer:
        assert await anext(answer) == [ToolCallBegin(0, "a", "f")]
        gate.set()
        assert (await anext(answer))[0] == ToolCallArguments(0, '{"x')


@pytest.mark.parametrize(
    "content_type", ["text/event-stream", "text/plain", "application/json", "application/octet-stream"]
)
async def test_a_stream_is_read_whatever_it_is_called(
    upstream: Upstream, provider: Provider, content_type: str
) -> None:
    script = text_answer("Hi")
    upstream.script(Script(script.steps, headers={"content-type": content_type}))
    assert (await read(provider.stream(HELLO))).text == "Hi"


@pytest.mark.parametrize(
    "vary",
    [
        pytest.param(lambda body: body.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(lambda body: body.replace(b"\n", b"\r"), id="CR"),
        pytest.param(lambda body: b"\xef\xbb\xbf" + body, id="byte order mark"),
        pytest.param(lambda body: b": OPENROUTER PROCESSING\n\n" + body, id="comment"),
        pytest.param(lambda body: body.removesuffix(b"\n\n"), id="no blank line at the end"),
        pytest.param(lambda body: body.replace(b"data: ", b"data:"), id="no blank after the colon"),
    ],
)
async def test_every_way_of_framing_is_read(
    upstream: Upstream, provider: Provider, vary: Callable[[bytes], bytes]
) -> None:
    body = stream(chunk({"content": "Hi"}), chunk({}, "stop"), usage_chunk(), DONE).body
    upstream.script(stream(Send(vary(body))))
    assert (await read(provider.stream(HELLO))).deltas == [Text("Hi"), USAGE, Finish("stop")]
