"""What can go wrong upstream, as our codes and our sentences."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, cast

import httpx2
import msgspec
from openai import APIConnectionError, APIStatusError, APITimeoutError

from tidewire_protocol.codes import ErrorCode

from .base import ProviderError, ProviderTruncatedError


class Failure(NamedTuple):
    """A kind of failure; `message` is what a client is told."""

    code: ErrorCode
    message: str
    retryable: bool

    def error(self, detail: str, kind: type[ProviderError] = ProviderError) -> ProviderError:
        """The failure as an exception, with `detail` for the log."""
        return kind(self.code, self.message, retryable=self.retryable, detail=detail)


REFUSED: Final = Failure("BAD_REQUEST", "The model provider refused the request.", False)
FILTERED: Final = Failure("BAD_REQUEST", "The model provider's content filter refused the request.", False)
UNAUTHORIZED: Final = Failure("UNAUTHORIZED", "The model provider refused the server's API key.", False)
UNPAID: Final = Failure("PAYMENT_REQUIRED", "The model provider asks for a payment first.", False)
FORBIDDEN: Final = Failure("FORBIDDEN", "The model provider does not allow this request.", False)
UNKNOWN: Final = Failure("NOT_FOUND", "The model provider does not know this model or address.", False)
TOO_LONG: Final = Failure("PAYLOAD_TOO_LARGE", "The conversation is too long for the model.", False)
UNPROCESSABLE: Final = Failure(
    "UNPROCESSABLE_CONTENT", "The model provider could not process the request.", False
)
RATE_LIMITED: Final = Failure("TOO_MANY_REQUESTS", "The model provider is being asked too often.", True)
QUOTA_USED: Final = Failure(
    "TOO_MANY_REQUESTS", "The server's quota at the model provider is used up.", False
)
OVERLOADED: Final = Failure("SERVICE_UNAVAILABLE", "The model provider is overloaded or down.", True)
BROKEN: Final = Failure("BAD_GATEWAY", "The model provider failed.", True)
UNEXPECTED: Final = Failure("BAD_GATEWAY", "The model provider gave an unexpected answer.", False)
UNREACHABLE: Final = Failure("BAD_GATEWAY", "The model provider cannot be reached.", True)
TIMED_OUT: Final = Failure("GATEWAY_TIMEOUT", "The model provider took too long to answer.", True)
TRUNCATED: Final = Failure("BAD_GATEWAY", "The model provider broke off in the middle of the answer.", True)
GARBLED: Final = Failure("BAD_GATEWAY", "The model provider sent something that cannot be read.", True)
OVERSIZED: Final = Failure("BAD_GATEWAY", "The model provider sent an event that is too large.", False)
NOT_A_STREAM: Final = Failure(
    "BAD_GATEWAY", "The model provider did not answer with an event stream; check its base URL.", False
)

STATUSES: Final[Mapping[int, Failure]] = {
    400: REFUSED,
    401: UNAUTHORIZED,
    402: UNPAID,
    403: FORBIDDEN,
    404: UNKNOWN,
    408: TIMED_OUT,
    413: TOO_LONG,
    422: UNPROCESSABLE,
    429: RATE_LIMITED,
    503: OVERLOADED,
    # "Overloaded", as Anthropic and Cloudflare number it.
    529: OVERLOADED,
}

# The `code` or `type` of an error object. Providers agree on the words more than on the field.
WORDS: Final[Mapping[str, Failure]] = {
    "authentication_error": UNAUTHORIZED,
    "badrequesterror": REFUSED,
    "content_filter": FILTERED,
    "content_policy_violation": FILTERED,
    "context_length_exceeded": TOO_LONG,
    "engine_overloaded": OVERLOADED,
    "insufficient_quota": QUOTA_USED,
    "internal_server_error": BROKEN,
    "invalid_api_key": UNAUTHORIZED,
    "invalid_request": REFUSED,
    "invalid_request_error": REFUSED,
    "model_not_found": UNKNOWN,
    "not_found_error": UNKNOWN,
    "overloaded": OVERLOADED,
    "overloaded_error": OVERLOADED,
    "permission_error": FORBIDDEN,
    "rate_limit": RATE_LIMITED,
    "rate_limit_error": RATE_LIMITED,
    "rate_limit_exceeded": RATE_LIMITED,
    "request_timeout": TIMED_OUT,
    "request_too_large": TOO_LONG,
    "server_error": BROKEN,
    "service_unavailable": OVERLOADED,
    "timeout": TIMED_OUT,
    "too_many_requests": RATE_LIMITED,
    # OpenAI's `type` of a rate limit says what was limited.
    "requests": RATE_LIMITED,
    "tokens": RATE_LIMITED,
}

# Words that say more than the HTTP status they come with.
_CLEARER_THAN_A_STATUS: Final = frozenset({FILTERED, TOO_LONG, QUOTA_USED})

# Finish reasons of an answer that was given up: OpenRouter's, DeepSeek's.
FAILED_FINISHES: Final[Mapping[str, Failure]] = {
    "error": BROKEN,
    "insufficient_system_resource": OVERLOADED,
}


def of_status(status: int) -> Failure:
    """The failure that an HTTP status stands for."""
    return STATUSES.get(status, BROKEN if status >= 500 else UNEXPECTED)


def of_report(report: object) -> Failure:
    """The failure that an error object inside an answer stands for; its shape may be any."""
    fields = _fields(report)
    for word in _words(fields):
        if word in WORDS:
            return WORDS[word]
    for key in ("code", "status", "status_code"):
        status = str(fields.get(key))
        if status.isdecimal() and 400 <= int(status) < 600:
            return of_status(int(status))
    return BROKEN


def text_of(report: object) -> str:
    """An error object as text for the log."""
    return report if isinstance(report, str) else msgspec.json.encode(report).decode()


def of_client(error: Exception) -> ProviderError:
    """What the HTTP client raised, as ours."""
    if isinstance(error, APIStatusError):
        return _of_refusal(error)
    cause = error.__cause__ if isinstance(error, APIConnectionError) else error
    detail = f"{type(cause).__name__}: {cause}"
    if isinstance(error, APITimeoutError | httpx2.TimeoutException):
        return TIMED_OUT.error(detail)
    if isinstance(error, APIConnectionError):
        return UNREACHABLE.error(detail)
    if isinstance(error, httpx2.TransportError):
        return TRUNCATED.error(detail, ProviderTruncatedError)
    return GARBLED.error(detail)


def _of_refusal(error: APIStatusError) -> ProviderError:
    failure = of_status(error.status_code)
    named = {WORDS[word] for word in _words(_fields(error.body)) if word in WORDS}
    clearer = next(iter(named & _CLEARER_THAN_A_STATUS), None)
    detail = f"HTTP {error.status_code}, request {error.request_id}: {text_of(error.body)}"
    return (clearer or failure).error(detail)


def _fields(report: object) -> Mapping[str, Any]:
    if isinstance(report, str):
        return {"code": report}
    return cast("Mapping[str, Any]", report) if isinstance(report, Mapping) else {}


def _words(fields: Mapping[str, Any]) -> Iterator[str]:
    for key in ("code", "type"):
        word = fields.get(key)
        if isinstance(word, str):
            yield word.lower()
