"""What a connection tells its owner."""

import msgspec

from .codec import frame_head
from .messages import Call, Fault, RequestId


class Pinged(msgspec.Struct, frozen=True):
    """The client wants a PONG, behind everything that is already queued for it."""


class Greeted(msgspec.Struct, frozen=True):
    """The connection params are here, or none will come: the context can be made.

    With a `fault` they were wrong: fail the context with it, answer with id null, and close.
    """

    params: dict[str, str] | None
    fault: Fault | None = None


class Opened(msgspec.Struct, frozen=True):
    """A call to run."""

    call: Call


class Cancelled(msgspec.Struct, frozen=True):
    """The client stopped this subscription; nothing but its end is sent any more."""

    call: Call


class Rejected(msgspec.Struct, frozen=True):
    """Something to be answered with an error only. `id` is null where none is known."""

    fault: Fault
    id: RequestId | None = None
    jsonrpc: bool = False
    call: Call | None = None
    """The call that is refused, if the message was one."""

    @property
    def head(self) -> bytes:
        """The head of the frame that answers."""
        return frame_head(self.id, self.jsonrpc)


Event = Pinged | Greeted | Opened | Cancelled | Rejected
