"""The chat server, less patient with a database that fails: tests have no time."""

import functools
from types import ModuleType
from typing import Any, Final

from tidewire.chat import create_chat_app, server, turn
from tidewire.chat.log import LogLimits

LESS: Final[list[tuple[ModuleType, str, Any]]] = [
    (server, "LogLimits", functools.partial(LogLimits, patience=1.0)),
    (turn, "STORE_PATIENCE", 1.0),
]
for module, name, value in LESS:
    setattr(module, name, value)

app = create_chat_app()
