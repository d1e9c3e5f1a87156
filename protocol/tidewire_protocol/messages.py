"""What a client can ask for on one connection.

Source: reference transcripts `ws-params-*`, `ws-id-*`, `ws-check-order`.
"""

from typing import Any, Final, Literal, TypeGuard, get_args

import msgspec
from msgspec import UNSET

from .codes import ErrorCode
from .transformer import Transformer

CallKind = Literal["query", "mutation", "subscription"]
RequestId = int | float | str

_KINDS: Final[dict[str, CallKind]] = {kind: kind for kind in get_args(CallKind)}


class Fault(msgspec.Struct, frozen=True):
    """A peer's mistake."""

    code: ErrorCode
    message: str


class Call(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """A request to run a procedure. Two calls are never equal, even with the same id."""

    id: RequestId
    jsonrpc: bool
    """Whether the client said `"jsonrpc":"2.0"`, which is then said back."""
    kind: CallKind
    path: str
    input: Any = UNSET
    """Decoded; `lastEventId` is merged into it as tRPC does."""
    last_event_id: str | None = None
    batch_index: int = 0


class Stop(msgspec.Struct, frozen=True):
    """A request to end the subscription with this id."""

    id: RequestId


class MessageError(ValueError):
    """A message that tRPC refuses; `str(error)` is tRPC's own sentence."""


def parse_message(document: object, transformer: Transformer, batch_index: int = 0) -> Call | Stop:
    """Check one request. The first failed check is the one reported.

    Raises:
        MissingIdError: the id is null, which is answered on its own.
        MessageError: anything else is wrong, which refuses the whole frame.
    """
    if not isinstance(document, dict):
        raise MessageError("Not an object")
    request_id = document.get("id", UNSET)
    if request_id is not None and not is_request_id(request_id):
        raise MessageError("Invalid request id")
    jsonrpc = document.get("jsonrpc", UNSET)
    if jsonrpc is not UNSET and jsonrpc != "2.0":
        raise MessageError("Must be JSONRPC 2.0")
    method = document.get("method")
    if method == "subscription.stop":
        return Stop(_present(request_id, jsonrpc))
    kind = _KINDS.get(method) if isinstance(method, str) else None
    if kind is None:
        raise MessageError("Invalid procedure type")
    params = _parse_params(document.get("params"), transformer)
    known_id = _present(request_id, jsonrpc)
    return Call(id=known_id, jsonrpc=jsonrpc == "2.0", kind=kind, batch_index=batch_index, **params)


class MissingIdError(Exception):
    """A well-formed request whose id is null; `jsonrpc` is as in `Call`."""

    def __init__(self, jsonrpc: bool) -> None:
        super().__init__("`id` is required")
        self.jsonrpc = jsonrpc


def _present(request_id: RequestId | None, jsonrpc: object) -> RequestId:
    if request_id is None:
        raise MissingIdError(jsonrpc == "2.0")
    return request_id


def is_request_id(value: object) -> TypeGuard[RequestId]:
    """Whether `value` may be the id of a request: a string or a number."""
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _parse_params(params: object, transformer: Transformer) -> dict[str, Any]:
    if not isinstance(params, dict):
        raise MessageError("Not an object")
    path = params.get("path")
    last_event_id = params.get("lastEventId", UNSET)
    if not isinstance(path, str) or not (last_event_id is UNSET or isinstance(last_event_id, str)):
        raise MessageError("Invalid string")
    value = transformer.decode(params.get("input", UNSET))
    if last_event_id is UNSET:
        return {"path": path, "input": value, "last_event_id": input_last_event_id(value)}
    return {
        "path": path,
        "input": merge_last_event_id(value, last_event_id),
        "last_event_id": last_event_id,
    }


def input_last_event_id(value: object) -> str | None:
    """Give the last event id that a client has put into the input by itself; an empty one does not count.

    That is how stock clients start from a known id, and how their `retryLink` goes on.
    """
    found = value.get("lastEventId") if isinstance(value, dict) else None
    return found if isinstance(found, str) and found else None


def merge_last_event_id(value: object, last_event_id: str) -> object:
    """Put the id where the reference puts it: into an object, or in place of no input."""
    if isinstance(value, dict):
        return {**value, "lastEventId": last_event_id}
    return {"lastEventId": last_event_id} if value is UNSET or value is None else value


def parse_connection_params(document: object) -> dict[str, str] | None:
    """Read the first message of a connection that announced connection params.

    Raises:
        MessageError: neither an object of strings nor null under `data`.

    Source: reference transcripts `ws-connectionParams-*`.
    """
    if not isinstance(document, dict):
        raise MessageError("Malformed TRPCConnectionParamsMessage")
    return check_connection_params(document.get("data", UNSET))


def check_connection_params(params: object) -> dict[str, str] | None:
    """Give connection params if they are some.

    Raises:
        MessageError: neither an object of strings nor null.
    """
    if params is None:
        return None
    if isinstance(params, dict) and all(isinstance(value, str) for value in params.values()):
        return params
    raise MessageError("Invalid connection params shape")
