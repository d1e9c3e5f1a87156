"""Frames that we write ourselves, as websockets reads them."""

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, Protocol

from tidewire.runner.frames import text_frames

LENGTHS = [0, 1, 125, 126, 127, 65_535, 65_536, 1_000_000]


def read(data: bytes) -> list[Frame]:
    protocol = Protocol(CLIENT, max_size=None)
    protocol.receive_data(data)
    return [event for event in protocol.events_received() if isinstance(event, Frame)]


@pytest.mark.parametrize("length", LENGTHS)
def test_a_message_of_any_length_is_a_whole_text_frame(length: int) -> None:
    message = b"x" * length
    assert read(text_frames([message])) == [Frame(Opcode.TEXT, message)]
    assert text_frames([message]) == Frame(Opcode.TEXT, message).serialize(mask=False)


def test_messages_come_in_order() -> None:
    messages = [b"x" * length for length in LENGTHS]
    assert [frame.data for frame in read(text_frames(messages))] == messages


def test_nothing_is_no_frame() -> None:
    assert text_frames([]) == b""
