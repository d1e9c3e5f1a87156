"""A chat server that cuts off soon who does not read: served as `tests.faults.impatient_chat:app`."""

from typing import Final

from tidewire.chat import create_chat_app

STUCK_TIMEOUT: Final = 0.5
"""Seconds."""

app = create_chat_app()
app.state.endpoint.dispatcher.stuck_timeout = STUCK_TIMEOUT
