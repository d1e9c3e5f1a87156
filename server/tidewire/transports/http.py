"""tRPC over HTTP: single calls, batches, JSON lines and server-sent events."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response as StarletteResponse
from starlette.types import Receive, Scope, Send

from tidewire_protocol.codes import CODES
from tidewire_protocol.http import (
    METHODS,
    OVERRIDABLE_METHODS,
    HTTPFaultError,
    RequestHead,
    check_kinds,
    error_body,
    read_head,
)

from ..dispatcher import Dispatcher
from ..errors import ErrorReport, RPCError
from .event_stream import SSEOptions
from .exchange import AnswerOptions, Exchange
from .meta import TEXT, VARY, ResponseHook
from .request import CallSet
from .response import Response, send_body

NO_SSE_OPTIONS: Final = SSEOptions()


class HTTPHandler:
    """Serves a router over HTTP.

    Args:
        allow_batching: whether one request may hold several calls.
        allow_method_override: whether queries and subscriptions may come by POST, for inputs too
            long for a URL.
        max_upload_bytes: of forms and byte streams.
        response_meta: sets the status and headers, for caching and cookies.
        sse: how subscriptions are streamed.
        jsonl_ping_interval: seconds without a line after which a space is sent, so that nobody
            in between gives the connection up; None for never.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        allow_batching: bool = True,
        allow_method_override: bool = False,
        max_upload_bytes: int = 64 << 20,
        response_meta: ResponseHook | None = None,
        sse: SSEOptions = NO_SSE_OPTIONS,
        jsonl_ping_interval: float | None = None,
    ) -> None:
        self._dispatcher = dispatcher
        self._allow_batching = allow_batching
        self._methods = OVERRIDABLE_METHODS if allow_method_override else METHODS
        self._max_upload_bytes = max_upload_bytes
        self._answers = AnswerOptions(response_meta, sse, jsonl_ping_interval)

    async def serve(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        """Answer one request; `path` is what follows the router's own, still percent-encoded."""
        request = Request(scope, receive)
        if request.method == "HEAD":
            await StarletteResponse(status_code=204)(scope, receive, send)
            return
        try:
            head = self._read_head(request, path)
            calls = CallSet(self._dispatcher, request, head, self._methods, self._max_upload_bytes)
            check_kinds(procedure.kind for procedure in calls.procedures if procedure is not None)
        except HTTPFaultError as error:
            await self._refuse(error, Response(scope, send, None))
        else:
            await Exchange(calls, self._answers, scope, receive, send).answer()

    def _read_head(self, request: Request, path: str) -> RequestHead:
        limit = self._dispatcher.max_batch_size
        query = request.scope["query_string"].decode("latin-1")
        head = read_head(request.method, path, query, request.headers, limit)
        if head.batch and not self._allow_batching:
            raise HTTPFaultError("BAD_REQUEST", "Batching is not enabled on the server")
        if head.streams and not head.batch:
            said = "Streaming requests must be batched (you can do a batch of 1)"
            raise HTTPFaultError("BAD_REQUEST", said)
        return head

    async def _refuse(self, refusal: HTTPFaultError, response: Response) -> None:
        error = RPCError(refusal.fault.code, refusal.fault.message)
        body = error_body(self._dispatcher.error_tail(ErrorReport(error=error)))
        await send_body(response, CODES[error.code].http_status, [VARY, TEXT], body)
