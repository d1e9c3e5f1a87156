"""uvicorn, set up for Tidewire."""

from .server import serve

__all__ = ["serve"]
