"""The errors that procedures raise, and what becomes of them."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from tidewire_protocol.codec import error_shape
from tidewire_protocol.codes import CODES, ErrorCode
from tidewire_protocol.messages import CallKind

logger: Final = logging.getLogger("tidewire")


class RPCError(Exception):
    """A deliberate error; its code and message reach the client.

    Args:
        code: a tRPC error code, such as `NOT_FOUND`.
        message: plain words for the client; the code itself if left out.

    Raise it `from` the cause to have that in the log: it is never sent.
    """

    def __init__(self, code: ErrorCode, message: str | None = None) -> None:
        if code not in CODES:
            raise ValueError(f"{code!r} is not a tRPC error code; it must be one of {', '.join(CODES)}")
        super().__init__(code if message is None else message)
        self.code: ErrorCode = code

    @property
    def message(self) -> str:
        """What the client is told."""
        return str(self)


def as_rpc_error(error: BaseException) -> RPCError:
    """Give `error` itself if it is deliberate; hide it behind INTERNAL_SERVER_ERROR if not.

    What was hidden is the new error's `__cause__`.
    """
    if isinstance(error, RPCError):
        return error
    hidden = RPCError("INTERNAL_SERVER_ERROR", "Internal server error")
    hidden.__cause__ = error
    return hidden


class ErrorReport(msgspec.Struct, frozen=True, kw_only=True):
    """An error that is about to be sent, with the call that failed, if one did."""

    error: RPCError
    kind: CallKind | None = None
    path: str | None = None
    input: Any = msgspec.UNSET
    """As it arrived, before validation."""
    context: Any = None
    """None when it could not be made."""

    @property
    def shape(self) -> dict[str, Any]:
        """What tRPC sends by default: `{message, code, data: {code, httpStatus, path?}}`."""
        return error_shape(self.error.code, self.error.message, self.path)


ErrorFormatter = Callable[[dict[str, Any], ErrorReport], Mapping[str, Any]]
"""Takes the default shape and gives what is sent instead; it may change and return its argument."""

OnError = Callable[[ErrorReport], None]
"""Is told of every error before it is sent."""


def log_error(report: ErrorReport) -> None:
    """Log an error: with its cause and traceback if it is the server's, as a line if the client's.

    This is the default `on_error`.
    """
    error = report.error
    where = f"{report.kind or 'call'} {report.path}" if report.path is not None else "connection"
    if CODES[error.code].http_status >= 500:
        logger.error("%s failed: %s: %s", where, error.code, error.message, exc_info=error.__cause__ or error)
    else:
        # The message says all that a failed validation does; where in our code it failed helps nobody.
        cause = None if isinstance(error.__cause__, msgspec.ValidationError) else error.__cause__
        logger.info("%s refused: %s: %s", where, error.code, error.message, exc_info=cause)
