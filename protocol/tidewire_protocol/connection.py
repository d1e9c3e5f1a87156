"""One WebSocket's calls as a state machine: frames in, events out. No socket, no clock.

The owner of the socket feeds every received frame to `Connection.receive` and acts on the
events; it reports what its procedures do with `Connection.advance` and sends the frames that
come back, in order.
"""

from typing import Any, Final

import msgspec

from .codec import PING, PONG, STARTED_TAIL, STOPPED_TAIL, frame_head
from .events import Cancelled, Event, Greeted, Opened, Pinged, Rejected
from .json_text import JSONSyntaxError, loads, number_text
from .messages import (
    Call,
    Fault,
    MessageError,
    MissingIdError,
    RequestId,
    Stop,
    is_request_id,
    parse_connection_params,
    parse_message,
)
from .states import MOVES, Frame, State, Step
from .transformer import Transformer

BINARY_MESSAGE: Final = (
    "jsonEncoder received binary data. JSON uses text frames. Use a binary encoder for binary data."
)


class LocalProtocolError(Exception):
    """The owner of the connection did something that has no meaning: a bug."""


class Connection:
    """The protocol state of one WebSocket.

    Args:
        transformer: encodes and decodes values.
        announces_params: whether the URL says `?connectionParams=1`, so that the first message
            holds connection params.
        max_batch_size: requests in one array frame; a larger one is refused call by call.
        max_message_bytes: UTF-8 bytes of one frame; a larger one is refused call by call.
    """

    def __init__(
        self,
        transformer: Transformer,
        *,
        announces_params: bool = False,
        max_batch_size: int | None = None,
        max_message_bytes: int | None = None,
    ) -> None:
        self._transformer = transformer
        self._awaits_params = announces_params
        self._max_batch_size = max_batch_size
        self._max_message_bytes = max_message_bytes
        self._states: dict[Call, State] = {}
        self._heads: dict[Call, bytes] = {}
        self._subscriptions: dict[RequestId, Call] = {}
        self._closed = False

    def open(self) -> list[Event]:
        """Begin. Says `Greeted` at once unless connection params were announced."""
        return [] if self._awaits_params else [Greeted(None)]

    def receive(self, frame: str | bytes) -> list[Event]:
        """Advance by one frame: `str` for a text frame, `bytes` for a binary one.

        Events come in wire order; a batch gives several. A peer's mistake is an event, never
        an exception.

        Raises:
            LocalProtocolError: after `close`.
        """
        if self._closed:
            raise LocalProtocolError("receive() after close()")
        if frame == PONG:
            return []
        if frame == PING:
            return [Pinged()]
        if self._awaits_params:
            self._awaits_params = False
            return [self._greet(frame)]
        if isinstance(frame, bytes):
            return [Rejected(Fault("PARSE_ERROR", BINARY_MESSAGE))]
        if self._max_message_bytes is not None and _is_longer(frame, self._max_message_bytes):
            return self._refuse_oversized(frame, self._max_message_bytes)
        try:
            document = loads(frame)
        except JSONSyntaxError as error:
            return [Rejected(Fault("PARSE_ERROR", str(error)))]
        return self._receive_document(document)

    def advance(self, call: Call, step: Step, tail: bytes = b"") -> list[bytes]:
        """Tell that `call` took `step`, and get the frames to send, in order.

        `tail` is the payload's (see `codec`), for ANSWER, EMIT and FAIL. After `close`
        there is nothing to send.

        Raises:
            LocalProtocolError: a call that is over or not known, or a step that its state
                does not allow.
        """
        if self._closed:
            return []
        try:
            state, frames = MOVES[self._states[call], step]
        except KeyError:
            state_name = getattr(self._states.get(call), "name", "not open")
            raise LocalProtocolError(f"{step.name} on a call that is {state_name}") from None
        head = self._heads[call]
        if state is State.DONE:
            self._forget(call)
        else:
            self._states[call] = state
        return [head + _tail(frame, tail) for frame in frames]

    def emit(self, call: Call, tail: bytes) -> bytes | None:
        """`advance` for `Step.EMIT`, by far the most frequent one: the frame, or None if there is none.

        Raises:
            LocalProtocolError: as `advance`.
        """
        if self._states.get(call) is State.LIVE:
            return self._heads[call] + tail
        frames = self.advance(call, Step.EMIT, tail)
        return frames[0] if frames else None

    def close(self) -> list[Call]:
        """End, because the socket is gone or closing. Gives the calls that were open."""
        self._closed = True
        calls = list(self._states)
        self._states.clear()
        self._heads.clear()
        self._subscriptions.clear()
        return calls

    @property
    def open_calls(self) -> int:
        """How many calls have not ended."""
        return len(self._states)

    def _greet(self, frame: str | bytes) -> Greeted:
        limit = self._max_message_bytes
        if limit is not None and isinstance(frame, str) and _is_longer(frame, limit):
            return Greeted(None, Fault("PAYLOAD_TOO_LARGE", f"Message exceeds the limit of {limit} bytes"))
        return _greet(frame)

    def _receive_document(self, document: object) -> list[Event]:
        batch = document if isinstance(document, list) else [document]
        limit = self._max_batch_size
        if isinstance(document, list) and limit is not None and len(batch) > limit:
            return _reject_each(batch, Fault("BAD_REQUEST", "Batch call exceeds maximum size"))
        try:
            messages = [self._parse(message, index) for index, message in enumerate(batch)]
        except ValueError as error:
            return [Rejected(Fault("PARSE_ERROR", str(error)))]
        return [event for message in messages for event in self._accept(message)]

    def _parse(self, document: object, index: int) -> Call | Stop | Rejected:
        try:
            return parse_message(document, self._transformer, index)
        except MissingIdError as error:
            return Rejected(Fault("PARSE_ERROR", str(error)), jsonrpc=error.jsonrpc)

    def _accept(self, message: Call | Stop | Rejected) -> list[Event]:
        if isinstance(message, Rejected):
            return [message]
        if isinstance(message, Stop):
            return self._stop(message.id)
        if message.kind == "subscription":
            if message.id in self._subscriptions:
                fault = Fault("BAD_REQUEST", f"Duplicate id {_id_text(message.id)}")
                return [Rejected(fault, message.id, message.jsonrpc, message)]
            self._subscriptions[message.id] = message
            self._states[message] = State.SETUP
        else:
            self._states[message] = State.ASKED
        self._heads[message] = frame_head(message.id, message.jsonrpc)
        return [Opened(message)]

    def _stop(self, request_id: RequestId) -> list[Event]:
        call = self._subscriptions.get(request_id)
        if call is None or self._states[call] is State.STOPPING:
            return []
        self.advance(call, Step.STOP)
        return [Cancelled(call)]

    def _forget(self, call: Call) -> None:
        del self._states[call], self._heads[call]
        if call.kind == "subscription":
            del self._subscriptions[call.id]

    def _refuse_oversized(self, frame: str, limit: int) -> list[Event]:
        fault = Fault("PAYLOAD_TOO_LARGE", f"Message exceeds the limit of {limit} bytes")
        try:
            envelopes = _envelope_decoder.decode(frame)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            return [Rejected(fault)]
        batch = envelopes if isinstance(envelopes, list) else [envelopes]
        return _reject_each([msgspec.structs.asdict(envelope) for envelope in batch], fault)


class _Envelope(msgspec.Struct):
    """As much of a request as is needed to refuse it; the input is skipped unread."""

    id: int | float | str | None = None
    jsonrpc: str | None = None
    method: str | None = None


_envelope_decoder: Final = msgspec.json.Decoder(list[_Envelope] | _Envelope)


def _greet(frame: str | bytes) -> Greeted:
    try:
        document = loads(frame) if isinstance(frame, str) else None
        return Greeted(parse_connection_params(document))
    except JSONSyntaxError:
        return Greeted(None, Fault("PARSE_ERROR", "Malformed TRPCConnectionParamsMessage"))
    except MessageError as error:
        return Greeted(None, Fault("PARSE_ERROR", str(error)))


def _reject_each(batch: list[Any], fault: Fault) -> list[Event]:
    """Answer every request of a frame that is not looked into, so that no client waits for ever."""
    rejections: list[Event] = [
        Rejected(fault, message["id"], message.get("jsonrpc") == "2.0")
        for message in batch
        if isinstance(message, dict)
        and message.get("method") != "subscription.stop"
        and is_request_id(message.get("id"))
    ]
    if not rejections or len(rejections) > MAX_REJECTIONS:
        return [Rejected(fault)]
    return rejections


MAX_REJECTIONS: Final = 10_000
"""Requests of one frame that are refused each by its own id. No client sends that many."""


def _tail(frame: Frame, payload: bytes) -> bytes:
    match frame:
        case Frame.PAYLOAD:
            return payload
        case Frame.STARTED:
            return STARTED_TAIL
        case Frame.STOPPED:
            return STOPPED_TAIL


def _is_longer(text: str, limit: int) -> bool:
    if text.isascii() or len(text) > limit:
        return len(text) > limit
    return len(text) * 4 > limit and len(text.encode("utf-8", "surrogatepass")) > limit


def _id_text(request_id: RequestId) -> str:
    return request_id if isinstance(request_id, str) else number_text(request_id)
