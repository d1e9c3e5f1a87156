"""The numbers that stand for the error codes."""

from typing import get_args

import pytest

from tidewire_protocol import CODES, ErrorCode

NUMBERS: list[tuple[ErrorCode, int, int]] = [
    ("PARSE_ERROR", -32700, 400),
    ("BAD_REQUEST", -32600, 400),
    ("INTERNAL_SERVER_ERROR", -32603, 500),
    ("NOT_IMPLEMENTED", -32603, 501),
    ("BAD_GATEWAY", -32603, 502),
    ("SERVICE_UNAVAILABLE", -32603, 503),
    ("GATEWAY_TIMEOUT", -32603, 504),
    ("UNAUTHORIZED", -32001, 401),
    ("PAYMENT_REQUIRED", -32002, 402),
    ("FORBIDDEN", -32003, 403),
    ("NOT_FOUND", -32004, 404),
    ("METHOD_NOT_SUPPORTED", -32005, 405),
    ("TIMEOUT", -32008, 408),
    ("CONFLICT", -32009, 409),
    ("PRECONDITION_FAILED", -32012, 412),
    ("PAYLOAD_TOO_LARGE", -32013, 413),
    ("UNSUPPORTED_MEDIA_TYPE", -32015, 415),
    ("UNPROCESSABLE_CONTENT", -32022, 422),
    ("PRECONDITION_REQUIRED", -32028, 428),
    ("TOO_MANY_REQUESTS", -32029, 429),
    ("CLIENT_CLOSED_REQUEST", -32099, 499),
]
"""As the reference answers `fail` in `ws-error-codes`."""


@pytest.mark.parametrize(("code", "jsonrpc", "http_status"), NUMBERS)
def test_a_code_has_the_numbers_that_the_reference_sends(
    code: ErrorCode, jsonrpc: int, http_status: int
) -> None:
    assert CODES[code].jsonrpc == jsonrpc
    assert CODES[code].http_status == http_status


def test_the_table_of_the_reference_the_type_and_our_table_name_the_same_codes() -> None:
    assert [code for code, _, _ in NUMBERS] == list(CODES) == list(get_args(ErrorCode))
