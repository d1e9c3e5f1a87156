"""uvicorn, set up for Tidewire."""

from .server import ListenError, serve

__all__ = ["ListenError", "serve"]
