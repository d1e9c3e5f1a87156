"""The usual hand-written Python server."""
