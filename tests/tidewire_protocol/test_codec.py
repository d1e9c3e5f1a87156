"""The bytes of the frames, as the reference sends them."""

from typing import Any

import pytest
from msgspec import UNSET

from tidewire_protocol import IDENTITY, RequestId
from tidewire_protocol.codec import (
    FALLBACK_ERROR,
    PONG_FRAME,
    RECONNECT_FRAME,
    STARTED_TAIL,
    STOPPED_TAIL,
    data_tail,
    error_shape,
    error_tail,
    frame_head,
    tracked_tail,
)

HEAD = frame_head(1, False)


@pytest.mark.parametrize(
    ("request_id", "text"),
    [
        (None, "null"),
        (0, "0"),
        (-1, "-1"),
        (1.5, "1.5"),
        (-0.25, "-0.25"),
        (1.0, "1"),
        (-0.0, "0"),
        (1e21, "1e+21"),
        (9007199254740993, "9007199254740992"),
        (float("inf"), "null"),
        (10**400, "null"),
        ("", '""'),
        ("1", '"1"'),
        ('s"\\\n', '"s\\"\\\\\\n"'),
        ("\U0001f600", '"\U0001f600"'),
        ("\ud800", '"\\ud800"'),
    ],
)
def test_an_id_is_echoed_as_javascript_writes_it(request_id: RequestId | None, text: str) -> None:
    assert frame_head(request_id, False).decode() == f'{{"id":{text},'
    assert frame_head(request_id, True).decode() == f'{{"id":{text},"jsonrpc":"2.0",'


@pytest.mark.parametrize(
    ("tail", "frame"),
    [
        (STARTED_TAIL, '{"id":1,"result":{"type":"started"}}'),
        (STOPPED_TAIL, '{"id":1,"result":{"type":"stopped"}}'),
        (data_tail(UNSET, IDENTITY), '{"id":1,"result":{"type":"data"}}'),
        (data_tail(None, IDENTITY), '{"id":1,"result":{"type":"data","data":null}}'),
        (data_tail({"a": "é"}, IDENTITY), '{"id":1,"result":{"type":"data","data":{"a":"é"}}}'),
        (
            tracked_tail("1", {"in": 1}, IDENTITY),
            '{"id":1,"result":{"type":"data","data":{"id":"1","data":{"in":1}},"id":"1"}}',
        ),
        (tracked_tail("1", UNSET, IDENTITY), '{"id":1,"result":{"type":"data","data":{"id":"1"},"id":"1"}}'),
        (
            tracked_tail("中\ud800", 1, IDENTITY),
            '{"id":1,"result":{"type":"data","data":{"id":"中\\ud800","data":1},"id":"中\\ud800"}}',
        ),
        (
            error_tail(error_shape("FORBIDDEN", '"no" \U0001f6ab\n', "fail"), IDENTITY),
            '{"id":1,"error":{"message":"\\"no\\" \U0001f6ab\\n","code":-32003,'
            '"data":{"code":"FORBIDDEN","httpStatus":403,"path":"fail"}}}',
        ),
        (
            error_tail(error_shape("PARSE_ERROR", "Not an object"), IDENTITY),
            '{"id":1,"error":{"message":"Not an object","code":-32700,'
            '"data":{"code":"PARSE_ERROR","httpStatus":400}}}',
        ),
        (
            error_tail(error_shape("NOT_FOUND", "", ""), IDENTITY),
            '{"id":1,"error":{"message":"","code":-32004,'
            '"data":{"code":"NOT_FOUND","httpStatus":404,"path":""}}}',
        ),
        (
            error_tail(FALLBACK_ERROR, IDENTITY),
            '{"id":1,"error":{"code":-32603,"message":"Internal server error",'
            '"data":{"code":"INTERNAL_SERVER_ERROR","httpStatus":500}}}',
        ),
    ],
)
def test_a_frame_is_a_head_and_a_tail(tail: bytes, frame: str) -> None:
    assert (HEAD + tail).decode() == frame


def test_frames_without_a_call() -> None:
    assert PONG_FRAME == b"PONG"
    assert RECONNECT_FRAME == b'{"id":null,"method":"reconnect"}'


@pytest.mark.parametrize(("value", "error"), [(object(), TypeError), ({1j: 1}, TypeError)])
def test_what_has_no_json_form_is_refused(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        data_tail(value, IDENTITY)
    with pytest.raises(error):
        tracked_tail("1", value, IDENTITY)
    with pytest.raises(error):
        error_tail({"data": value}, IDENTITY)
