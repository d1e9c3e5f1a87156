"""HTTP to a model provider, for streams of many small pieces: a transport for httpx2."""

from .transport import PIECES, StreamTransport

__all__ = ["PIECES", "StreamTransport"]
