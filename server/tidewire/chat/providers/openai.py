"""Any server that speaks OpenAI's chat completions: OpenAI, Azure, Ollama, vLLM, llama.cpp, Groq, …"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from typing import Any, Final, cast
from urllib.request import getproxies

import httpx2
import msgspec
from openai import (
    APIStatusError,
    AsyncAPIResponse,
    AsyncOpenAI,
    DefaultAsyncHttpxClient,
    OpenAIError,
    Timeout,
)

from . import failures
from .answer import Answer
from .base import Delta, Prompt, ProviderError
from .body import Body
from .http import PIECES, StreamTransport
from .request import completion_request

DEFAULT_BASE_URL: Final = "https://api.openai.com/v1"

_MAX_DETAIL_CHARACTERS: Final = 1000
# How long the end of the body may take after `[DONE]`; only a fully read connection is used again.
_SETTLE_SECONDS: Final = 0.05
# Shorter keys are placeholders ("ollama", "none") that occur in honest text.
_MIN_KEY_LENGTH: Final = 8


class _Model(msgspec.Struct, frozen=True):
    id: str


class _ModelList(msgspec.Struct, frozen=True):
    data: list[_Model]


# Together answers with the bare list.
_MODELS: Final = msgspec.json.Decoder(_ModelList | list[_Model])


class OpenAIProvider:
    """Answers from an OpenAI-compatible server.

    Times are in seconds. `stall_timeout` is the longest silence, before the first byte as in the
    stream; a comment counts as a sign of life. Requests that failed before their stream began are
    sent up to `max_retries` times more, with growing pauses; a stream that broke off never is.
    """

    def __init__(
        self,
        *,
        default_model: str,
        api_key: str | None = None,
        base_url: str = DEFAULT_BASE_URL,
        models: Sequence[str] = (),
        connect_timeout: float = 10.0,
        stall_timeout: float = 120.0,
        models_max_age: float = 60.0,
        max_retries: int = 2,
    ) -> None:
        """`models` is what `models()` offers instead of asking the server."""
        self.name = "openai"
        self.default_model = default_model
        self._base_url = base_url
        # The client insists on a key; servers on one's own machine ignore it.
        self._api_key = api_key or "none"
        self._client = AsyncOpenAI(
            api_key=self._api_key,
            base_url=base_url,
            timeout=Timeout(stall_timeout, connect=connect_timeout, pool=connect_timeout),
            max_retries=max_retries,
            http_client=_http_client(),
        )
        self._configured_models = models
        self._models_max_age = models_max_age
        self._models: Sequence[str] = ()
        self._models_read_at = -models_max_age
        self._models_lock = asyncio.Lock()
        self._refuses_stream_options = False

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Delta], None]:
        """Answer `prompt`. Closing or cancelling the generator closes the upstream request.

        Raises:
            ProviderError: the provider refused, failed or broke off.
        """
        with self._reporting():
            async with self._completion(prompt) as response:
                answer = Answer(response.headers.get("x-request-id", ""))
                body = Body()
                broken: ProviderError | None = None
                pieces = _pieces(response)
                try:
                    async for piece in pieces:
                        deltas, failure = _read(piece, body, answer)
                        if deltas:
                            yield deltas
                        if failure:
                            raise failure
                        if answer.done:
                            break
                except httpx2.TransportError as error:
                    broken = failures.of_client(error)
                tail = body.close()
                if tail:
                    deltas = []
                    answer.take(tail, deltas, cut=True)
                    if deltas:
                        yield deltas
                if answer.done:
                    await _settle(pieces)
            yield answer.end(broken, body)

    async def models(self) -> Sequence[str]:
        """The configured models, or else what the server offers; the default first.

        Raises:
            ProviderError: the server could not be asked.
        """
        if self._configured_models:
            return self._offered(self._configured_models)
        async with self._models_lock:
            if time.monotonic() - self._models_read_at >= self._models_max_age:
                self._models = self._offered(await self._fetch_models())
                self._models_read_at = time.monotonic()
            return self._models

    async def close(self) -> None:
        """Release connections."""
        await self._client.close()

    @asynccontextmanager
    async def _completion(self, prompt: Prompt) -> AsyncGenerator[AsyncAPIResponse[Any], None]:
        request = completion_request(prompt, self._base_url)
        if self._refuses_stream_options:
            del request["stream_options"]
        async with AsyncExitStack() as stack:
            try:
                response = await stack.enter_async_context(self._create(request))
            except APIStatusError as refusal:
                if not ("stream_options" in request and _names(refusal, "stream_options")):
                    raise
                self._refuses_stream_options = True
                del request["stream_options"]
                response = await stack.enter_async_context(self._create(request))
            if response.headers.get("content-type", "").startswith("text/html"):
                raise failures.NOT_A_STREAM.error("The server answered with HTML.")
            yield response

    def _create(self, request: dict[str, Any]) -> AbstractAsyncContextManager[AsyncAPIResponse[Any]]:
        # A dictionary says nothing about which of the overloads is meant.
        create: Any = self._client.chat.completions.with_streaming_response.create
        # As the extra body, which takes the place of the rest, for the parameters are looked through value by
        # value before they are sent: 3 ms for a history of twenty messages.
        response = create(model=request["model"], messages=(), stream=True, extra_body=request)
        return cast("AbstractAsyncContextManager[AsyncAPIResponse[Any]]", response)

    async def _fetch_models(self) -> Sequence[str]:
        with self._reporting():
            async with self._client.models.with_streaming_response.list() as response:
                body = await response.read()
            try:
                listed = _MODELS.decode(body)
            except ValueError as error:
                raise failures.GARBLED.error(f"The list of models: {error}: {body!r}") from None
        return [model.id for model in (listed.data if isinstance(listed, _ModelList) else listed)]

    def _offered(self, models: Sequence[str]) -> Sequence[str]:
        return list(dict.fromkeys([self.default_model, *models]))

    @contextmanager
    def _reporting(self) -> Generator[None, None, None]:
        """Raise whatever the client raises as a `ProviderError`.

        The causes are cut off: their texts may hold the key, and `detail` says what they said.
        """
        try:
            yield
        except ProviderError as error:
            raise self._presentable(error) from None
        except (OpenAIError, httpx2.HTTPError) as error:
            raise self._presentable(failures.of_client(error)) from None

    def _presentable(self, error: ProviderError) -> ProviderError:
        detail = error.detail
        if len(self._api_key) >= _MIN_KEY_LENGTH:
            detail = detail.replace(self._api_key, "[the API key]")
        detail = detail[:_MAX_DETAIL_CHARACTERS]
        return type(error)(error.code, error.message, retryable=error.retryable, detail=detail)


def _http_client() -> httpx2.AsyncClient | None:
    """A client with the lean transport; none, for openai's own, where the environment names a proxy."""
    if getproxies().keys() - {"no"}:
        return None
    return DefaultAsyncHttpxClient(transport=StreamTransport())


def _names(refusal: APIStatusError, parameter: str) -> bool:
    """Whether the server refused the request for one parameter; 422 is what FastAPI servers say."""
    return refusal.status_code in (400, 422) and parameter in failures.text_of(refusal.body)


def _pieces(response: AsyncAPIResponse[Any]) -> AsyncIterator[bytes]:
    """The body, a piece for each read; past the client's iterators if there is nothing to decode."""
    pieces = response.http_response.extensions.get(PIECES)
    if pieces is None or "content-encoding" in response.headers:
        return response.iter_bytes()
    return cast("AsyncIterator[bytes]", pieces)


def _read(piece: bytes, body: Body, answer: Answer) -> tuple[list[Delta], ProviderError | None]:
    """What a piece says, up to the error that it ends in."""
    deltas: list[Delta] = []
    try:
        for event in body.feed(piece):
            answer.take(event, deltas)
    except ProviderError as error:
        return deltas, error
    return deltas, None


async def _settle(pieces: AsyncIterator[bytes]) -> None:
    """Read to the end of the body, so that the connection can serve the next request."""
    with suppress(TimeoutError, httpx2.TransportError):
        async with asyncio.timeout(_SETTLE_SECONDS):
            async for _ in pieces:
                pass
