"""The answer to one HTTP request."""

import asyncio
from collections.abc import Sequence

import msgspec
from starlette.types import Receive, Scope, Send

from tidewire_protocol import jsonl, sse
from tidewire_protocol.codes import CODES
from tidewire_protocol.http import NEEDS_STREAMING, batch_body, error_body, result_body, status_of

from ..calls import discard, is_being_cancelled, is_pending
from ..errors import ErrorReport, RPCError, as_rpc_error, logger
from ..outbox import Outbox
from .client import Client
from .event_stream import SSEOptions, produce_events
from .json_lines import produce_lines
from .meta import JSON, VARY, ResponseHook, ResponseInfo, ResponseMeta
from .request import CallSet
from .response import Headers, Response, StuckClientError, ping, send_body, send_stream


class AnswerOptions(msgspec.Struct, frozen=True):
    """How answers are sent."""

    response_meta: ResponseHook | None
    sse: SSEOptions
    jsonl_ping_interval: float | None


class _Outcome(msgspec.Struct, frozen=True):
    """How one call ended, as it is to be sent."""

    body: bytes
    status: int = 200
    error: RPCError | None = None


class Exchange:
    """Runs the calls of a request, and sends what comes of them."""

    def __init__(
        self,
        calls: CallSet,
        options: AnswerOptions,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        self._calls = calls
        self._options = options
        self._client = Client(receive)
        self._response = Response(scope, send, calls.dispatcher.stuck_timeout)

    async def answer(self) -> None:
        """Answer in the form that the request asks for."""
        calls = self._calls
        try:
            if calls.mutates or calls.head.body_kind == "bytes":
                # It runs to its end even if nobody waits for the answer any more.
                await self._start()
            else:
                await calls.receive_inputs()
                await self._client.while_connected(self._start())
        except StuckClientError as error:
            logger.info("Cut off a client over HTTP: %s", error)
            if self._response.dropped:
                await self._client.gone()
        except asyncio.CancelledError:
            if is_being_cancelled():
                await self._spare_the_client()
                raise
            await self._give_up()
        finally:
            await calls.close()

    def _start(self) -> asyncio.Task[None]:
        """Begin to answer, in a task that a shutdown waits for; not if it is a subscription, for that
        might be for ever."""
        answering = asyncio.create_task(self._answer(), name=f"HTTP {','.join(self._calls.head.paths)}")
        if not self._calls.subscribes:
            running = self._calls.dispatcher.running
            running.add(answering)
            answering.add_done_callback(running.discard)
        return answering

    async def _answer(self) -> None:
        calls = self._calls
        await calls.make_context("sse" if calls.subscribes else "http")
        if calls.subscribes:
            await self._stream_events()
        elif calls.head.streams:
            await self._stream_lines()
        else:
            await self._answer_at_once()

    async def _spare_the_client(self) -> None:
        """Begin a stream that ends here before it has begun.

        Whoever ends it would send an error status, and an EventSource that gets one never comes back.
        """
        if self._calls.subscribes and not self._response.started:
            await self._response.start(200, [VARY, *sse.HEADERS])

    async def _give_up(self) -> None:
        """Say that the server's shutdown has cancelled the calls, if that can still be said."""
        if self._response.started:
            await self._response.end()
            return
        error = RPCError("SERVICE_UNAVAILABLE", "The server is shutting down")
        body = error_body(self._calls.dispatcher.error_tail(ErrorReport(error=error)))
        await send_body(self._response, CODES[error.code].http_status, [VARY, JSON], body)

    # ---------- in one piece

    async def _answer_at_once(self) -> None:
        outcomes = await asyncio.gather(*map(self._outcome, range(self._calls.size)))
        batch = self._calls.head.batch
        body = batch_body(outcome.body for outcome in outcomes) if batch else outcomes[0].body
        statuses = {outcome.status for outcome in outcomes}
        status, headers = self._meta(
            status_of(statuses), [JSON], [outcome.error for outcome in outcomes if outcome.error is not None]
        )
        await send_body(self._response, status, headers, body)

    async def _outcome(self, index: int) -> _Outcome:
        try:
            result = await self._calls.run(index)
        except Exception as error:
            return self._failed(error, index)
        try:
            if is_pending(result):
                await discard(result)
                raise RPCError("UNSUPPORTED_MEDIA_TYPE", NEEDS_STREAMING)
            return _Outcome(result_body(result, self._calls.dispatcher.transformer))
        except Exception as error:
            # The reference takes these for failures of the whole answer, which has no path.
            return self._failed(error, index if self._calls.head.batch else None)

    def _failed(self, error: Exception, index: int | None) -> _Outcome:
        status, encoded = self._calls.failure(error, index)
        return _Outcome(error_body(encoded), status, as_rpc_error(error))

    # ---------- in pieces

    async def _stream_events(self) -> None:
        options, outbox = self._options.sse, Outbox()
        producing = asyncio.create_task(
            produce_events(self._calls, outbox, options, self._calls.head.last_event_id)
        )
        await self._stream(list(sse.HEADERS), outbox, producing, sse.PING, options.ping_interval)

    async def _stream_lines(self) -> None:
        outbox = Outbox()
        producing = asyncio.create_task(produce_lines(self._calls, outbox, self._calls.size))
        await self._stream([JSON], outbox, producing, jsonl.PING, self._options.jsonl_ping_interval)

    async def _stream(
        self,
        headers: list[tuple[str, str]],
        outbox: Outbox,
        producing: asyncio.Task[None],
        said: bytes,
        ping_interval: float | None,
    ) -> None:
        pinging = asyncio.create_task(ping(outbox, said, ping_interval))
        batches = outbox.batches()
        try:
            await self._response.start(*self._meta(200, headers, []))
            await send_stream(self._response, batches)
        except StuckClientError:
            if self._calls.mutates:
                async for _ in batches:
                    """Nobody reads it, but mutations run to their end."""
            raise
        finally:
            # Not closed before: a stream that never waits by itself would then wait for nothing any
            # more, and the event loop for it.
            pinging.cancel()
            producing.cancel()
            await asyncio.wait({pinging, producing})
            outbox.close()
        producing.result()

    # ---------- headers

    def _meta(
        self, status: int, headers: list[tuple[str, str]], errors: Sequence[RPCError]
    ) -> tuple[int, Headers]:
        allow = self._calls.allow
        all_headers = [VARY, *headers, *([("allow", allow)] if allow else [])]
        hook = self._options.response_meta
        if hook is None:
            return status, all_headers
        head = self._calls.head
        streams = self._calls.subscribes or head.streams
        info = ResponseInfo(paths=head.paths, context=self._calls.context, errors=errors, streams=streams)
        try:
            meta = hook(info)
        except Exception:
            logger.exception("response_meta failed")
            meta = ResponseMeta()
        return meta.status or status, [*all_headers, *meta.headers]
