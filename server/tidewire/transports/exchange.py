"""The answer to one HTTP request."""

import asyncio
from collections.abc import Sequence

import msgspec
from starlette.types import Receive, Send

from tidewire_protocol import jsonl, sse
from tidewire_protocol.http import NEEDS_STREAMING, batch_body, error_body, result_body, status_of

from ..calls import discard, is_pending
from ..errors import RPCError, as_rpc_error, logger
from ..outbox import Outbox
from .body import Headers, send_body, send_stream, while_connected
from .event_stream import SSEOptions, produce_events
from .json_lines import produce_lines
from .meta import JSON, VARY, ResponseHook, ResponseInfo, ResponseMeta
from .request import CallSet


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

    def __init__(self, calls: CallSet, options: AnswerOptions, receive: Receive, send: Send) -> None:
        self._calls = calls
        self._options = options
        self._receive = receive
        self._send = send

    async def answer(self) -> None:
        """Answer in the form that the request asks for."""
        calls = self._calls
        try:
            if calls.mutates or calls.head.body_kind == "bytes":
                # It runs to its end even if nobody waits for the answer any more.
                await self._answer()
            else:
                await calls.receive_inputs()
                await while_connected(self._receive, self._answer())
        finally:
            await calls.close()

    async def _answer(self) -> None:
        calls = self._calls
        await calls.make_context("sse" if calls.subscribes else "http")
        if calls.subscribes:
            await self._stream_events()
        elif calls.head.streams:
            await self._stream_lines()
        else:
            await self._answer_at_once()

    # ---------- in one piece

    async def _answer_at_once(self) -> None:
        outcomes = await asyncio.gather(*map(self._outcome, range(self._calls.size)))
        batch = self._calls.head.batch
        body = batch_body(outcome.body for outcome in outcomes) if batch else outcomes[0].body
        statuses = {outcome.status for outcome in outcomes}
        status, headers = self._meta(
            status_of(statuses), [JSON], [outcome.error for outcome in outcomes if outcome.error is not None]
        )
        await send_body(self._send, status, headers, body)

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
        ping: bytes,
        ping_interval: float | None,
    ) -> None:
        try:
            status, all_headers = self._meta(200, headers, [])
            await send_stream(self._send, status, all_headers, outbox, ping=ping, ping_interval=ping_interval)
        finally:
            outbox.close()
            producing.cancel()
            await asyncio.wait({producing})
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
