"""Error codes: the tRPC name, its JSON-RPC number and its HTTP status.

Source: reference transcript `ws-error-codes`.
"""

from typing import Final, Literal, NamedTuple

ErrorCode = Literal[
    "PARSE_ERROR",
    "BAD_REQUEST",
    "INTERNAL_SERVER_ERROR",
    "NOT_IMPLEMENTED",
    "BAD_GATEWAY",
    "SERVICE_UNAVAILABLE",
    "GATEWAY_TIMEOUT",
    "UNAUTHORIZED",
    "PAYMENT_REQUIRED",
    "FORBIDDEN",
    "NOT_FOUND",
    "METHOD_NOT_SUPPORTED",
    "TIMEOUT",
    "CONFLICT",
    "PRECONDITION_FAILED",
    "PAYLOAD_TOO_LARGE",
    "UNSUPPORTED_MEDIA_TYPE",
    "UNPROCESSABLE_CONTENT",
    "PRECONDITION_REQUIRED",
    "TOO_MANY_REQUESTS",
    "CLIENT_CLOSED_REQUEST",
]


class CodeNumbers(NamedTuple):
    """The two numbers that stand for an error code on the wire."""

    jsonrpc: int
    http_status: int


CODES: Final[dict[ErrorCode, CodeNumbers]] = {
    "PARSE_ERROR": CodeNumbers(-32700, 400),
    "BAD_REQUEST": CodeNumbers(-32600, 400),
    "INTERNAL_SERVER_ERROR": CodeNumbers(-32603, 500),
    "NOT_IMPLEMENTED": CodeNumbers(-32603, 501),
    "BAD_GATEWAY": CodeNumbers(-32603, 502),
    "SERVICE_UNAVAILABLE": CodeNumbers(-32603, 503),
    "GATEWAY_TIMEOUT": CodeNumbers(-32603, 504),
    "UNAUTHORIZED": CodeNumbers(-32001, 401),
    "PAYMENT_REQUIRED": CodeNumbers(-32002, 402),
    "FORBIDDEN": CodeNumbers(-32003, 403),
    "NOT_FOUND": CodeNumbers(-32004, 404),
    "METHOD_NOT_SUPPORTED": CodeNumbers(-32005, 405),
    "TIMEOUT": CodeNumbers(-32008, 408),
    "CONFLICT": CodeNumbers(-32009, 409),
    "PRECONDITION_FAILED": CodeNumbers(-32012, 412),
    "PAYLOAD_TOO_LARGE": CodeNumbers(-32013, 413),
    "UNSUPPORTED_MEDIA_TYPE": CodeNumbers(-32015, 415),
    "UNPROCESSABLE_CONTENT": CodeNumbers(-32022, 422),
    "PRECONDITION_REQUIRED": CodeNumbers(-32028, 428),
    "TOO_MANY_REQUESTS": CodeNumbers(-32029, 429),
    "CLIENT_CLOSED_REQUEST": CodeNumbers(-32099, 499),
}
