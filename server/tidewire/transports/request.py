"""One HTTP request: its head, its inputs, and its calls."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.datastructures import URL, FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Scope

from tidewire_protocol import CallKind
from tidewire_protocol.codec import error_tail
from tidewire_protocol.http import RequestHead, http_status, read_inputs, resumed_input, sent_last_event_id

from .. import calls
from ..context import ConnectionInfo, Transport
from ..dispatcher import Dispatcher
from ..errors import ErrorReport, RPCError, as_rpc_error
from ..middleware import CallInfo
from ..procedure import Procedure
from ..uploads import ByteStream, Form

MAX_FORM_PARTS = 1000


class _FormParser(MultiPartParser):
    """Knows whether the form has been there as a whole: the parser itself takes the half of one."""

    complete = False

    def on_end(self) -> None:
        self.complete = True


class CallSet:
    """The calls of one request, which share its context and its body.

    Args:
        methods: which HTTP methods run which kind of procedure.
        max_upload_bytes: of forms and byte streams; JSON has the dispatcher's limit.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        request: Request,
        head: RequestHead,
        methods: Mapping[CallKind, tuple[str, ...]],
        max_upload_bytes: int,
    ) -> None:
        self.dispatcher = dispatcher
        self.head = head
        self.procedures: list[Procedure | None] = [dispatcher.procedure(path) for path in head.paths]
        """None where there is none."""
        self._request = request
        self._methods = methods
        self._max_upload_bytes = max_upload_bytes
        self._inputs: asyncio.Future[list[Any]] | None = None
        self._form: FormData | None = None
        self.context: Any = None
        self._refusal: RPCError | None = None

    @property
    def size(self) -> int:
        """How many calls there are."""
        return len(self.procedures)

    @property
    def subscribes(self) -> bool:
        """Whether the answer is a stream of events."""
        return not self.head.batch and self._kind_of(0) == "subscription"

    @property
    def mutates(self) -> bool:
        """Whether the calls change something."""
        return any(self._kind_of(index) == "mutation" for index in range(self.size))

    @property
    def allow(self) -> str | None:
        """The methods that the last refused procedure takes; None if the request's own is right.

        Source: RFC 9110, 15.5.6.
        """
        refused = [p for p in self.procedures if p is not None and not self._takes_method(p)]
        return ", ".join(self._methods[refused[-1].kind]) if refused else None

    async def receive_inputs(self) -> None:
        """Read the body if a call will, so that only the client's disconnect is left to receive."""
        runs = any(procedure is not None and self._takes_method(procedure) for procedure in self.procedures)
        if runs and self.head.input_text is None:
            await asyncio.wait({self._reading()})

    async def close(self) -> None:
        """Let go of the body, and of the files in it."""
        if self._inputs is not None:
            self._inputs.cancel()
            await asyncio.gather(self._inputs, return_exceptions=True)
        if self._form is not None:
            await self._form.close()

    async def make_context(self, transport: Transport) -> None:
        """Make the context; if that fails, every call will answer with the reason."""
        try:
            info = connection_info(self._request, transport, self.head.connection_params)
            self.context = await self.dispatcher.make_context(info)
        except Exception as error:
            self._refusal = as_rpc_error(error)

    async def run(self, index: int) -> Any:
        """Run a call, and give its result; of a subscription, its stream.

        Raises:
            RPCError, Exception: as `calls.answer`.
        """
        try:
            return await self._run(index)
        except asyncio.CancelledError as error:
            if calls.is_being_cancelled():
                raise
            # Something that the procedure awaited was cancelled, not the call.
            raise as_rpc_error(error) from error

    async def _run(self, index: int) -> Any:
        path, procedure = self.head.paths[index], self.procedures[index]
        if procedure is None:
            raise RPCError("NOT_FOUND", f'No procedure found on path "{path}"')
        if not self._takes_method(procedure):
            said = (
                f'Unsupported {self._request.method}-request to {procedure.kind} procedure at path "{path}"'
            )
            raise RPCError("METHOD_NOT_SUPPORTED", said)
        subscribes = procedure.kind == "subscription"
        if subscribes and self.head.batch:
            raise RPCError("BAD_REQUEST", "Cannot batch subscription calls")
        if self._refusal is not None:
            raise self._refusal
        value = (await self._read_inputs())[index]
        last_event_id = sent_last_event_id(value, self.head.last_event_id) if subscribes else None
        info = CallInfo(
            kind=procedure.kind,
            path=path,
            context=self.context,
            raw_input=resumed_input(value, last_event_id),
            last_event_id=last_event_id,
            meta=procedure.meta,
        )
        return await (calls.stream if subscribes else calls.answer)(procedure, info)

    def error_shape(self, error: BaseException, index: int | None) -> Mapping[str, Any]:
        """Report what went wrong, with one call or with the whole answer, and word it."""
        return self.dispatcher.error_shape(self._report(error, index))

    def failure(self, error: BaseException, index: int | None) -> tuple[int, bytes]:
        """The same, as the HTTP status and the encoded end of an answer."""
        shape = self.error_shape(error, index)
        return http_status(shape), error_tail(shape, self.dispatcher.transformer)

    def _report(self, error: BaseException, index: int | None) -> ErrorReport:
        hidden = as_rpc_error(error)
        if index is None:
            return ErrorReport(error=hidden, context=self.context)
        return ErrorReport(
            error=hidden,
            kind=self._kind_of(index),
            path=self.head.paths[index],
            input=self._known_input(index),
            context=self.context,
        )

    def _kind_of(self, index: int) -> CallKind | None:
        procedure = self.procedures[index]
        return None if procedure is None else procedure.kind

    def _takes_method(self, procedure: Procedure) -> bool:
        return self._request.method in self._methods[procedure.kind]

    def _known_input(self, index: int) -> Any:
        reading = self._inputs
        if reading is None or not reading.done() or reading.cancelled() or reading.exception() is not None:
            return None
        return reading.result()[index]

    # ---------- inputs

    async def _read_inputs(self) -> list[Any]:
        # A call that is cancelled must not end it for the others.
        return await asyncio.shield(self._reading())

    def _reading(self) -> asyncio.Future[list[Any]]:
        """The body is read once, for whichever call comes first; all others wait for it."""
        if self._inputs is None:
            self._inputs = asyncio.ensure_future(self._parse_body())
        return self._inputs

    async def _parse_body(self) -> list[Any]:
        match self.head.body_kind:
            case "form":
                return [await self._read_form()]
            case "bytes":
                return [ByteStream(self._limited(self._max_upload_bytes))]
            case "json":
                return self._parse_json(await self._read_text())

    async def _read_text(self) -> str:
        if self.head.input_text is not None:
            return self.head.input_text
        limit = self.dispatcher.max_message_bytes
        body = b"".join([chunk async for chunk in self._limited(limit)])
        return body.decode("utf-8-sig", "replace")

    def _parse_json(self, text: str) -> list[Any]:
        try:
            return read_inputs(text, self.head, self.dispatcher.transformer)
        except ValueError as error:
            raise RPCError("BAD_REQUEST", str(error)) from error

    async def _read_form(self) -> Form:
        body = self._body(self._max_upload_bytes)
        parser = _FormParser(body.headers, body.stream(), max_files=MAX_FORM_PARTS, max_fields=MAX_FORM_PARTS)
        try:
            self._form = await parser.parse()
        except MultiPartException as error:
            raise RPCError("BAD_REQUEST", error.message) from error
        except UnicodeError as error:
            raise RPCError("BAD_REQUEST", "The form is not in the charset that it names") from error
        except ClientDisconnect as error:
            raise _cut_off() from error
        if not parser.complete:
            raise RPCError("BAD_REQUEST", "The form has no end")
        items = self._form.multi_items()
        return Form([(name, value if isinstance(value, UploadFile) else str(value)) for name, value in items])

    async def _limited(self, limit: int) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._body(limit).stream():
                if chunk:
                    yield chunk
        except ClientDisconnect as error:
            raise _cut_off() from error

    def _body(self, limit: int) -> Request:
        """The request, with a body that must not be longer than `limit`."""
        announced = self._request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > limit:
            raise _too_large(limit)
        return Request(self._request.scope, _counted(self._request.receive, limit))


def _url(scope: Scope) -> str:
    # Starlette expects UTF-8 in a query, but nobody has checked that.
    query = scope["query_string"].decode("utf-8", "replace").encode()
    return str(URL(scope={**scope, "query_string": query}))


def _counted(receive: Receive, limit: int) -> Receive:
    size = 0

    async def receive_counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise _too_large(limit)
        return message

    return receive_counted


def _too_large(limit: int) -> RPCError:
    return RPCError("PAYLOAD_TOO_LARGE", f"Body exceeds the limit of {limit} bytes")


def _cut_off() -> RPCError:
    return RPCError("CLIENT_CLOSED_REQUEST", "The client disconnected before the end of the body")


def connection_info(
    request: Any, transport: Transport, connection_params: Mapping[str, str] | None = None
) -> ConnectionInfo:
    """Describe how a client is connected; `request` is Starlette's Request or WebSocket."""
    client = request.client
    return ConnectionInfo(
        transport=transport,
        url=_url(request.scope),
        headers=dict(request.headers),
        cookies=request.cookies,
        client=None if client is None else f"{client.host}:{client.port}",
        connection_params=connection_params,
    )
