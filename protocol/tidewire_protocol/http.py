"""Requests over HTTP as calls, and results as bodies.

Source: reference transcripts `http-*`, `batch-*`, `jsonl-*`, `sse-*`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, unquote

import msgspec
from msgspec import UNSET

from .codes import CODES, ErrorCode
from .json_text import JSONSyntaxError, loads
from .messages import (
    CallKind,
    Fault,
    MessageError,
    check_connection_params,
    input_last_event_id,
    merge_last_event_id,
)
from .transformer import Transformer

BodyKind = Literal["json", "form", "bytes"]

METHODS: Final[Mapping[CallKind, tuple[str, ...]]] = {
    "query": ("GET",),
    "mutation": ("POST",),
    "subscription": ("GET",),
}
OVERRIDABLE_METHODS: Final[Mapping[CallKind, tuple[str, ...]]] = {
    "query": ("GET", "POST"),
    "mutation": ("POST",),
    "subscription": ("GET", "POST"),
}
"""With `allow_method_override`. GET never runs a mutation."""

NEEDS_STREAMING: Final = "Cannot use stream-like response in non-streaming request - use httpBatchStreamLink"

_MEDIA_TYPES: Final[Mapping[str, BodyKind]] = {
    "application/json": "json",
    "multipart/form-data": "form",
    "application/octet-stream": "bytes",
}
# Several codes share the number of the first one.
_STATUS_BY_NUMBER: Final[dict[object, int]] = {
    numbers.jsonrpc: numbers.http_status for numbers in reversed(CODES.values())
}
_BAD_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")


class HTTPFaultError(Exception):
    """A request that is refused as a whole."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.fault: Fault = Fault(code, message)


class RequestHead(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says before its body."""

    paths: Sequence[str]
    """One for each call; one alone unless it is a batch."""
    batch: bool
    streams: bool
    """Whether the answer is to be JSON lines."""
    body_kind: BodyKind
    input_text: str | None
    """The input in the URL; None where it is in the body, empty where there is none."""
    last_event_id: str | None
    connection_params: Mapping[str, str] | None


def read_head(
    method: str, path: str, query: str, headers: Mapping[str, str], max_batch_size: int | None
) -> RequestHead:
    """Understand a request line and headers.

    Args:
        path: what follows the router's own path, still percent-encoded.
        query: still percent-encoded; of repeated names the first counts.
        headers: names in lower case.

    Raises:
        HTTPFaultError: BAD_REQUEST, UNSUPPORTED_MEDIA_TYPE, METHOD_NOT_SUPPORTED or PARSE_ERROR.
    """
    name = _decode_path(path)
    parameters = dict(reversed(parse_qsl(query, keep_blank_values=True)))
    body_kind = _body_kind(method, headers)
    batch = body_kind == "json" and parameters.get("batch") == "1"
    paths = name.split(",") if batch else [name]
    if batch and max_batch_size is not None and len(paths) > max_batch_size:
        raise HTTPFaultError("BAD_REQUEST", "Batch call exceeds maximum size")
    is_json = body_kind == "json"
    return RequestHead(
        paths=paths,
        batch=batch,
        streams=is_json and _accepts_lines(headers),
        body_kind=body_kind,
        input_text=parameters.get("input", "") if method == "GET" else None,
        last_event_id=_last_event_id(parameters, headers),
        connection_params=_connection_params(parameters.get("connectionParams")) if is_json else None,
    )


def read_inputs(text: str, head: RequestHead, transformer: Transformer) -> list[Any]:
    """Give the input of each call; UNSET where there is none.

    Raises:
        ValueError: not JSON, not an object of inputs for a batch, or not what a client with this
            transformer sends.
    """
    document = loads(text) if text else UNSET
    if not head.batch:
        return [UNSET if document is UNSET else transformer.decode(document)]
    if document is UNSET:
        document = {}
    if not isinstance(document, dict):
        raise ValueError('"input" needs to be an object when doing a batch call')
    return [
        transformer.decode(document[key]) if (key := str(index)) in document else UNSET
        for index in range(len(head.paths))
    ]


def sent_last_event_id(value: Any, last_event_id: str | None) -> str | None:
    """Give the last event id of a request, or else that in the input; an empty one does not count.

    A browser sends it with the request when it reconnects.
    """
    return last_event_id or input_last_event_id(value)


def resumed_input(value: Any, last_event_id: str | None) -> Any:
    """Merge the last event id into a subscription's input."""
    return value if last_event_id is None else merge_last_event_id(value, last_event_id)


def check_kinds(kinds: Iterable[CallKind]) -> None:
    """Refuse a batch whose procedures are of several kinds.

    Raises:
        HTTPFaultError: BAD_REQUEST.
    """
    distinct = list(dict.fromkeys(kinds))
    if len(distinct) > 1:
        raise HTTPFaultError("BAD_REQUEST", f"Cannot mix procedure types in call: {', '.join(distinct)}")


def result_body(value: Any, transformer: Transformer) -> bytes:
    """Write one call's result.

    Raises:
        TypeError, ValueError: as `Transformer.encode`.
    """
    data = transformer.encode(value)
    return b'{"result":{}}' if data is None else b'{"result":{"data":' + data + b"}}"


def error_body(tail: bytes) -> bytes:
    """Write one call's error, encoded as for a frame (`codec.error_tail`)."""
    return b"{" + tail


def batch_body(bodies: Iterable[bytes]) -> bytes:
    """Write the answers to a batch, in the order of its calls."""
    return b"[" + b",".join(bodies) + b"]"


def http_status(shape: Mapping[str, Any]) -> int:
    """The HTTP status of an error, which its formatter may have changed."""
    data = shape.get("data")
    status = data.get("httpStatus") if isinstance(data, Mapping) else None
    if isinstance(status, int) and 100 <= status < 600:
        return status
    return _STATUS_BY_NUMBER.get(shape.get("code"), 500)


def status_of(statuses: Iterable[int]) -> int:
    """The HTTP status for a batch of results with these: 207 where they differ."""
    distinct = set(statuses)
    return distinct.pop() if len(distinct) == 1 else 207


# ---------- the parts of a head


def _decode_path(path: str) -> str:
    # One slash at either end does not count, and neither does one more at the end.
    trimmed = path.removesuffix("/").removeprefix("/").removesuffix("/")
    try:
        if _BAD_ESCAPE.search(trimmed):
            raise ValueError(trimmed)
        return unquote(trimmed, errors="strict")
    except ValueError:
        raise HTTPFaultError("BAD_REQUEST", f'Invalid URL-encoding in path "{trimmed}"') from None


def _body_kind(method: str, headers: Mapping[str, str]) -> BodyKind:
    content_type = headers.get("content-type")
    media_type = (content_type or "").lower().partition(";")[0].strip()
    kind = _MEDIA_TYPES.get(media_type)
    if kind is None:
        if method == "GET":
            return "json"
        said = "Missing content-type header"
        if content_type is not None:
            # The reference leaves the quotation mark open.
            said = f'Unsupported content-type "{content_type}'
        raise HTTPFaultError("UNSUPPORTED_MEDIA_TYPE", said)
    if kind != "json" and method != "POST":
        raise HTTPFaultError(
            "METHOD_NOT_SUPPORTED", f"Only POST requests are supported for {media_type} requests"
        )
    return kind


def _accepts_lines(headers: Mapping[str, str]) -> bool:
    own = headers.get("trpc-accept")
    if own is not None:
        return own == "application/jsonl"
    return any(part.strip() == "application/jsonl" for part in headers.get("accept", "").split(","))


def _last_event_id(parameters: Mapping[str, str], headers: Mapping[str, str]) -> str | None:
    for source, name in (
        (headers, "last-event-id"),
        (parameters, "lastEventId"),
        (parameters, "Last-Event-Id"),
    ):
        if name in source:
            return source[name]
    return None


def _connection_params(text: str | None) -> Mapping[str, str] | None:
    if text is None:
        return None
    try:
        return check_connection_params(loads(text))
    except JSONSyntaxError:
        raise HTTPFaultError("PARSE_ERROR", "Not JSON-parsable query params") from None
    except MessageError as error:
        raise HTTPFaultError("PARSE_ERROR", str(error)) from None
