"""What a tool may know about the call it answers."""

import msgspec


class ToolContext(msgspec.Struct, frozen=True):
    """Given to a tool whose first parameter is `ctx: ToolContext`; the model never sees it."""

    conversation_id: str
    owner: str
    tool_call_id: str
