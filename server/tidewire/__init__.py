"""Typed RPC with streaming subscriptions, on tRPC's wire.

Procedures are typed functions in a `Router`; `create_app` serves it to the stock
`@trpc/client`.
"""

from tidewire_protocol import ErrorCode

from .context import ConnectionInfo, Context
from .declaration import DeclarationError
from .errors import ErrorReport, RPCError, log_error
from .middleware import CallInfo, Middleware, Next
from .router import Router
from .tracking import Tracked, tracked
from .transports.app import create_app
from .transports.endpoint import Endpoint
from .transports.event_stream import SSEOptions
from .transports.meta import ResponseInfo, ResponseMeta
from .uploads import ByteStream, Form, Upload

__all__ = [
    "ByteStream",
    "CallInfo",
    "ConnectionInfo",
    "Context",
    "DeclarationError",
    "Endpoint",
    "ErrorCode",
    "ErrorReport",
    "Form",
    "Middleware",
    "Next",
    "RPCError",
    "ResponseInfo",
    "ResponseMeta",
    "Router",
    "SSEOptions",
    "Tracked",
    "Upload",
    "create_app",
    "log_error",
    "tracked",
]
