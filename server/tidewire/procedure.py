"""A typed function as a procedure: what it takes and what it gives, checked at each call."""

import inspect
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, Never, get_args
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from tidewire_protocol.messages import CallKind
from tidewire_protocol.superjson import VALUE_TYPES, without_undefined

from .errors import RPCError
from .middleware import Middleware
from .tracking import SharedEvent, Tracked
from .uploads import ByteStream, Form


class Procedure(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A function that clients can call. Made by `Router.query`, `.mutation` and `.subscription`."""

    kind: CallKind
    function: Callable[..., Any]
    input: "Input"
    output: "Output"
    """Of the result; for a subscription, of each event."""
    takes_context: bool
    takes_last_event_id: bool
    middleware: tuple[Middleware, ...]
    meta: Mapping[str, Any]
    timeout: float | None
    """Seconds for a query or mutation to answer; for a subscription, between events."""

    @property
    def description(self) -> str | None:
        """The function's docstring."""
        return inspect.getdoc(self.function)


class Input(msgspec.Struct, frozen=True):
    """How the input becomes the function's arguments."""

    type: Any
    """A Struct of all parameters, the type of the parameter `input`, or None for no input."""
    whole: bool
    """Whether the single parameter `input` takes the input as it is."""
    default: Callable[[], Any] | None = None
    """Makes what `input` is when the client sends nothing; None if it must send something."""
    takes_last_event_id: bool = False
    """Whether the type has a place for the `lastEventId` that tRPC merges into the input."""

    def bind(self, value: Any, *, merged: bool = False) -> dict[str, Any]:
        """Validate what the client sent and give keyword arguments.

        Args:
            value: UNSET if nothing was sent.
            merged: whether `lastEventId` was merged into it.

        Raises:
            RPCError: BAD_REQUEST, with the path of the bad field.
        """
        if self.type is None:
            return {}
        if merged and not self.takes_last_event_id:
            value = self._unmerged(value)
        if self.whole:
            if value is UNSET and self.default is not None:
                return {"input": self.default()}
            return {"input": _validate(value, self.type)}
        fields = _validate({} if value is UNSET else value, self.type)
        return {name: getattr(fields, name) for name in fields.__struct_fields__}

    def _unmerged(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        sent = {key: item for key, item in value.items() if key != "lastEventId"}
        # Merging makes an object of an input that was not sent.
        return sent if sent or self.default is None else UNSET


UPLOADS: Final[Mapping[Any, str]] = {
    Form: "multipart/form-data",
    ByteStream: "application/octet-stream",
}


def _validate(value: Any, expected: Any) -> Any:
    if is_upload(expected):
        if not isinstance(value, expected):
            raise RPCError("BAD_REQUEST", f"The input must be {UPLOADS[expected]}")
        return value
    if value is UNSET:
        raise RPCError("BAD_REQUEST", "Input is required")
    try:
        return _convert(value, expected)
    except msgspec.ValidationError as error:
        # msgspec calls the root `$`, which means nothing to a caller.
        raise RPCError("BAD_REQUEST", str(error).replace("`$", "`input")) from error
    except RecursionError as error:
        raise RPCError("BAD_REQUEST", "Input is nested too deeply") from error


def _convert(value: Any, expected: Any) -> Any:
    try:
        return msgspec.convert(value, expected, str_keys=True)
    except msgspec.ValidationError:
        # A property that is undefined counts as absent, unless its type knows the difference.
        return msgspec.convert(without_undefined(value), expected, str_keys=True)


def is_upload(expected: Any) -> bool:
    """Whether an input of this type comes as it is, instead of as JSON."""
    return isinstance(expected, type) and expected in UPLOADS


class Output(msgspec.Struct, frozen=True):
    """What a procedure promised to give."""

    type: Any
    """Of results, or of events without an id."""
    tracked_type: Any = Never
    """Of the data of events with an id; `Never` where there are none."""
    streams: bool = False
    """Whether a query or mutation gives its result piece by piece, each of `type`."""

    def check(self, value: Any) -> Any:
        """Give `value` as its declared type.

        Raises:
            RPCError: INTERNAL_SERVER_ERROR "Output validation failed", from the cause.
        """
        if isinstance(value, SharedEvent):
            # By identity, for types compare slowly: a union its members, one by one.
            if value.checked is not self.tracked_type:
                _conform(value.data, self.tracked_type)
                value.was_checked(self.tracked_type)
            return value
        if isinstance(value, Tracked):
            return Tracked(value.id, _conform(value.data, self.tracked_type))
        return _conform(value, self.type)


# msgspec.convert takes these as they are, so that going through builtins loses nothing.
_NATIVE: Final = (
    *(bytes, bytearray, datetime, date, time, timedelta, UUID, Decimal),
    re.Pattern,
    *VALUE_TYPES,
)


_SCALARS: Final = frozenset({str, int, float, bool, type(None)})


def _conform(value: Any, expected: Any) -> Any:
    if expected is Any or expected is object:
        return value
    if type(value) is expected and expected in _SCALARS:
        return value
    if expected is Never:
        raise RPCError("INTERNAL_SERVER_ERROR", "Output validation failed") from TypeError(
            "An event with an id must be annotated as Tracked[...], and one without an id must not"
        )
    if value is UNSET and _may_be_undefined(expected):
        return UNSET
    try:
        # convert() trusts the fields of an instance; builtins it looks at one by one.
        return _converted(msgspec.to_builtins(value, builtin_types=_NATIVE), expected)
    except (msgspec.ValidationError, TypeError, RecursionError) as error:
        raise RPCError("INTERNAL_SERVER_ERROR", "Output validation failed") from error


def _converted(value: Any, expected: Any) -> Any:
    try:
        return msgspec.convert({"value": value}, _holder(expected)).value
    except (msgspec.ValidationError, TypeError):
        # Words it without the holder; or the type cannot be looked up, because it has no hash.
        return msgspec.convert(value, expected)


@lru_cache
def _holder(expected: Any) -> Any:
    """A type as a field: so msgspec prepares it once, and not each time, which takes 30 µs for a union."""
    return msgspec.defstruct("Holder", [("value", expected)])


def _may_be_undefined(expected: Any) -> bool:
    return expected is UnsetType or UnsetType in get_args(expected)
