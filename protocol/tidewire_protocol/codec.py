"""The bytes of the frames a server sends.

A frame is a head, which only the call determines, and a tail, which does not depend on the
call: an event for many subscribers is encoded once. Frames are UTF-8 text.
"""

from collections.abc import Mapping
from typing import Any, Final

from .codes import CODES, ErrorCode
from .json_text import dumps, number_text
from .messages import RequestId
from .transformer import Transformer

PING: Final = "PING"
PONG: Final = "PONG"
PONG_FRAME: Final = b"PONG"
RECONNECT_FRAME: Final = b'{"id":null,"method":"reconnect"}'

STARTED_TAIL: Final = b'"result":{"type":"started"}}'
STOPPED_TAIL: Final = b'"result":{"type":"stopped"}}'
NO_DATA_TAIL: Final = b'"result":{"type":"data"}}'

FALLBACK_ERROR: Final[Mapping[str, Any]] = {
    "code": CODES["INTERNAL_SERVER_ERROR"].jsonrpc,
    "message": "Internal server error",
    "data": {"code": "INTERNAL_SERVER_ERROR", "httpStatus": 500},
}
"""What the client gets when its error cannot be formatted or encoded.

Source: reference transcript `ws-error-formatter`.
"""


def frame_head(request_id: RequestId | None, jsonrpc: bool) -> bytes:
    """Begin a frame that answers `request_id`."""
    if request_id is None or isinstance(request_id, str):
        id_text = dumps(request_id)
    else:
        id_text = number_text(request_id).encode()
    return b'{"id":' + id_text + (b',"jsonrpc":"2.0",' if jsonrpc else b",")


def data_tail(value: object, transformer: Transformer) -> bytes:
    """End a frame with a result, or with an event that has no id.

    Raises:
        TypeError, ValueError: as `Transformer.encode`.
    """
    data = transformer.encode(value)
    return NO_DATA_TAIL if data is None else b'"result":{"type":"data","data":' + data + b"}}"


def tracked_tail(event_id: str, value: object, transformer: Transformer) -> bytes:
    """End a frame with an event that has an id.

    Raises:
        TypeError, ValueError: as `Transformer.encode`.
    """
    data = transformer.encode_tracked(event_id, value)
    return b'"result":{"type":"data","data":' + data + b',"id":' + dumps(event_id) + b"}}"


def error_tail(shape: Mapping[str, Any], transformer: Transformer) -> bytes:
    """End a frame with an error.

    Raises:
        TypeError, ValueError: as `Transformer.encode`.
    """
    error = transformer.encode(shape)
    assert error is not None
    return b'"error":' + error + b"}"


def error_shape(code: ErrorCode, message: str, path: str | None = None) -> dict[str, Any]:
    """Describe an error as tRPC does by default. `path` is absent unless a call has one."""
    numbers = CODES[code]
    data: dict[str, Any] = {"code": code, "httpStatus": numbers.http_status}
    if path is not None:
        data["path"] = path
    return {"message": message, "code": numbers.jsonrpc, "data": data}
