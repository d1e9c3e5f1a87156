"""What a model may call: typed functions, the box that runs them, and two that come along."""

from .builtin import BUILTIN_TOOLS, calculate, current_time
from .context import ToolContext
from .errors import ToolDefinitionError, ToolError
from .tool import Tool, tool
from .toolbox import Toolbox, ToolResult, result_text

__all__ = [
    "BUILTIN_TOOLS",
    "Tool",
    "ToolContext",
    "ToolDefinitionError",
    "ToolError",
    "ToolResult",
    "Toolbox",
    "calculate",
    "current_time",
    "result_text",
    "tool",
]
