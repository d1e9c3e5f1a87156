"""A router, with everything a transport needs to serve it."""

import asyncio
import inspect
from collections.abc import Mapping
from typing import Any, TypedDict

from tidewire_protocol import TRANSFORMERS, CallKind, Transformer
from tidewire_protocol.codec import FALLBACK_ERROR, error_tail

from .context import ConnectionInfo, Context, ContextFactory
from .errors import ErrorFormatter, ErrorReport, OnError, RPCError, log_error, logger
from .procedure import Procedure
from .router import Router


class DispatcherOptions(TypedDict, total=False):
    """The keyword arguments of `Dispatcher`, for what passes them on."""

    context: ContextFactory
    transformer: str | Transformer
    error_formatter: ErrorFormatter | None
    on_error: OnError
    max_batch_size: int
    max_message_bytes: int
    max_calls: int
    max_subscriptions: int
    stuck_timeout: float
    cleanup_timeout: float


class Dispatcher:
    """Finds procedures, makes contexts and words errors, the same way for every transport.

    Args:
        router: what is served; later changes to it are not seen.
        context: makes the context of a connection; `Context` by default.
        transformer: `"none"`, or an object; the client must use the same.
        error_formatter: changes the shape of errors.
        on_error: is told of every error; logs it by default.
        max_batch_size: requests in one frame. A client that reconnects sends all its
            subscriptions in one.
        max_message_bytes: of one frame from a client.
        max_calls: that one connection may have open at a time; one more is answered with
            TOO_MANY_REQUESTS, and hurts no other.
        max_subscriptions: of those calls, in the same way. A page of many parts has some tens.
        stuck_timeout: seconds after which a client that takes nothing of what is sent to it is
            cut off. One that takes a little now and then is only held back.
        cleanup_timeout: seconds a cancelled call may take to clean up before that is logged,
            and it is cancelled again.
    """

    def __init__(
        self,
        router: Router,
        *,
        context: ContextFactory = Context,
        transformer: str | Transformer = "none",
        error_formatter: ErrorFormatter | None = None,
        on_error: OnError = log_error,
        max_batch_size: int = 1000,
        max_message_bytes: int = 1 << 20,
        max_calls: int = 1000,
        max_subscriptions: int = 200,
        stuck_timeout: float = 10.0,
        cleanup_timeout: float = 10.0,
    ) -> None:
        if isinstance(transformer, str) and transformer not in TRANSFORMERS:
            raise ValueError(f"There is no transformer {transformer!r}; there are {', '.join(TRANSFORMERS)}")
        self.transformer: Transformer = (
            TRANSFORMERS[transformer] if isinstance(transformer, str) else transformer
        )
        self.max_batch_size = max_batch_size
        self.max_message_bytes = max_message_bytes
        self.max_calls = max_calls
        self.max_subscriptions = max_subscriptions
        self.stuck_timeout = stuck_timeout
        self.cleanup_timeout = cleanup_timeout
        self.running: set[asyncio.Task[None]] = set()
        """Every call under way, on all connections, and of those that are gone."""
        self._procedures = router.procedures()
        self._make_context = context
        self._format_error = error_formatter
        self._on_error = on_error

    def find(self, kind: CallKind, path: str) -> Procedure:
        """Look a procedure up.

        Raises:
            RPCError: NOT_FOUND, also when the path is of another kind.
        """
        procedure = self.procedure(path)
        if procedure is None or procedure.kind != kind:
            raise RPCError("NOT_FOUND", f'No "{kind}"-procedure on path "{path}"')
        return procedure

    def procedure(self, path: str) -> Procedure | None:
        """The procedure at `path`, of whatever kind."""
        return self._procedures.get(path)

    async def make_context(self, connection: ConnectionInfo) -> Any:
        """Make the context of a connection.

        Raises:
            RPCError, Exception: as the factory.
        """
        context = self._make_context(connection)
        return await context if inspect.isawaitable(context) else context

    def error_shape(self, report: ErrorReport) -> Mapping[str, Any]:
        """Tell `on_error`, and word the error for the client.

        Never raises: an error that the formatter cannot word becomes a bare
        INTERNAL_SERVER_ERROR, and is logged.
        """
        try:
            self._on_error(report)
        except Exception:
            logger.exception("on_error failed")
        try:
            shape = self._shape(report)
            self.transformer.encode(shape)
        except Exception:
            logger.exception("The error formatter failed")
            return FALLBACK_ERROR
        return shape

    def error_tail(self, report: ErrorReport) -> bytes:
        """The same as the end of a frame."""
        return error_tail(self.error_shape(report), self.transformer)

    def _shape(self, report: ErrorReport) -> Mapping[str, Any]:
        if self._format_error is None:
            return report.shape
        return self._format_error(report.shape, report)

    async def close(self, grace: float) -> None:
        """Wait for the calls under way, mutations of gone clients among them; then cancel them.

        Args:
            grace: seconds to wait before cancelling.
        """
        if self.running:
            await asyncio.wait(self.running, timeout=grace)
        for task in self.running:
            task.cancel()
        if self.running:
            await asyncio.wait(self.running, timeout=self.cleanup_timeout)
