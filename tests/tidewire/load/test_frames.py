"""Frames, however they are cut."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from tidewire.load.frames import MESSAGE_MAX, FrameError, FrameReader, close_frame, close_reason, text_frame


def server_frame(opcode: Opcode, payload: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin=fin).serialize(mask=False)


@given(
    st.lists(st.sampled_from([0, 1, 125, 126, 65_535, 65_536]) | st.integers(0, 300), max_size=6),
    st.lists(st.integers(1, 70_000), min_size=1, max_size=20),
)
def test_messages_arrive_whole_and_in_order_however_they_are_cut(lengths: list[int], cuts: list[int]) -> None:
    messages = [bytes([number]) * length for number, length in enumerate(lengths)]
    stream = b"".join(server_frame(Opcode.TEXT, message) for message in messages)
    reader, read, at = FrameReader(), list[bytes](), 0
    while at < len(stream):
        size = cuts[at % len(cuts)]
        read += reader.feed(stream[at : at + size])
        at += size
    assert read == messages


def test_pieces_are_joined_around_control_frames() -> None:
    reader = FrameReader()
    stream = [
        server_frame(Opcode.TEXT, b"a", fin=False),
        server_frame(Opcode.PING, b"p"),
        server_frame(Opcode.CONT, b"b"),
        server_frame(Opcode.TEXT, b"c"),
    ]
    assert reader.feed(b"".join(stream)) == [b"ab", b"c"]
    assert reader.control == [(Opcode.PING, b"p")]


@pytest.mark.parametrize(
    "data",
    [
        server_frame(Opcode.BINARY, b"x"),
        b"\x81\x81\x00\x00\x00\x00x",
        server_frame(Opcode.CONT, b"x"),
        server_frame(Opcode.TEXT, b"x", fin=False) + server_frame(Opcode.TEXT, b"y"),
        server_frame(Opcode.TEXT, b"x", fin=False) + server_frame(Opcode.CONT, b"y", fin=False) * 5000,
        struct.pack("!BBQ", 0x81, 127, MESSAGE_MAX + 1),
        b"\xc1\x01x",
        b"\x83\x01x",
        b"\x09\x01x",
        b"\x89\x7e\x00\x7e" + b"x" * 126,
    ],
)
def test_what_no_server_may_send_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        FrameReader().feed(data)


def test_our_frames_are_masked_and_close_reasons_are_read() -> None:
    assert text_frame(b"hello")[1] == 0x80 | 5
    assert close_frame(1000)[:2] == bytes((0x88, 0x80 | 2))
    assert "try later" in close_reason(b"\x03\xf5try later")
    assert close_reason(b"\x00") == "a malformed Close"
