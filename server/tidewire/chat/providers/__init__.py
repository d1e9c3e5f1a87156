"""Where answers come from: an OpenAI-compatible endpoint, or the built-in demo."""

from .base import (
    Delta,
    Finish,
    Prompt,
    PromptMessage,
    Provider,
    ProviderError,
    ProviderTruncatedError,
    Reasoning,
    Refusal,
    Text,
    TokenUsage,
    ToolCallArguments,
    ToolCallBegin,
    ToolRequest,
    ToolSpec,
)
from .demo import DemoProvider
from .openai import OpenAIProvider

__all__ = [
    "Delta",
    "DemoProvider",
    "Finish",
    "OpenAIProvider",
    "Prompt",
    "PromptMessage",
    "Provider",
    "ProviderError",
    "ProviderTruncatedError",
    "Reasoning",
    "Refusal",
    "Text",
    "TokenUsage",
    "ToolCallArguments",
    "ToolCallBegin",
    "ToolRequest",
    "ToolSpec",
]
