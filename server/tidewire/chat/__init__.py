"""A chat server: relays the answers of a language model, runs tools, keeps conversations."""

from .app import create_chat_app
from .context import Authenticate, ChatContext
from .router import router
from .settings import Settings, SettingsError
from .store import StoreError, upgrade_database
from .tools import BUILTIN_TOOLS, ToolContext, ToolError, tool

__all__ = [
    "BUILTIN_TOOLS",
    "Authenticate",
    "ChatContext",
    "Settings",
    "SettingsError",
    "StoreError",
    "ToolContext",
    "ToolError",
    "create_chat_app",
    "router",
    "tool",
    "upgrade_database",
]
