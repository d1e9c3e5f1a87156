"""tRPC's wire protocol without input or output: bytes in, messages out.

Nothing here opens a socket, reads a clock or starts a task. `tidewire` builds its transports
on it; so can any other server.
"""

from .codes import CODES, CodeNumbers, ErrorCode
from .connection import Connection, LocalProtocolError
from .events import Cancelled, Event, Greeted, Opened, Pinged, Rejected
from .messages import Call, CallKind, Fault, RequestId
from .states import State, Step
from .transformer import IDENTITY, TRANSFORMERS, IdentityTransformer, Transformer

__all__ = [
    "CODES",
    "IDENTITY",
    "TRANSFORMERS",
    "Call",
    "CallKind",
    "Cancelled",
    "CodeNumbers",
    "Connection",
    "ErrorCode",
    "Event",
    "Fault",
    "Greeted",
    "IdentityTransformer",
    "LocalProtocolError",
    "Opened",
    "Pinged",
    "Rejected",
    "RequestId",
    "State",
    "Step",
    "Transformer",
]
