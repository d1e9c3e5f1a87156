"""A chat server that refuses each message that holds `refuse once`, the first time it comes."""

import functools
from typing import Any, Final

from tidewire import RPCError
from tidewire.chat import create_chat_app
from tidewire.chat.turns import Question, Turns

REFUSED: Final[set[str]] = set()

stream: Final = Turns.stream


@functools.wraps(stream)
async def refusing(self: Turns, question: Question, last_event_id: str | None) -> Any:
    """The same, but for those."""
    if question.text is not None and "refuse once" in question.text and question.text not in REFUSED:
        REFUSED.add(question.text)
        raise RPCError("TOO_MANY_REQUESTS", "Too many messages just now")
    return await stream(self, question, last_event_id)


Turns.stream = refusing  # type: ignore[method-assign]  # the fault

app = create_chat_app()
