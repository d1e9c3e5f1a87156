"""The tools every server has."""

from typing import Any, Final

from .calculator import calculate
from .clock import current_time
from .tool import Tool

BUILTIN_TOOLS: Final[tuple[Tool[..., Any], ...]] = (current_time, calculate)
"""In the order in which they are listed."""

__all__ = ["BUILTIN_TOOLS", "calculate", "current_time"]
