"""Inputs that are not JSON: forms with files, and streams of bytes. Only over HTTP, for mutations."""

from collections.abc import AsyncIterator, Iterator
from typing import Protocol


class Upload(Protocol):
    """A file of a form."""

    filename: str | None
    """As the client names it; do not trust it as a path."""
    size: int | None
    """In bytes."""

    @property
    def content_type(self) -> str | None:
        """As the client says."""
        ...

    async def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes, or all that is left."""
        ...


class Form:
    """The fields of a `multipart/form-data` request, in their order; a name may come repeatedly.

    Files are closed when the request has been answered.

    Declare a mutation's `input` as this type to take one.
    """

    def __init__(self, items: list[tuple[str, str | Upload]]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[tuple[str, str | Upload]]:
        return iter(self._items)

    def get(self, name: str) -> str | Upload | None:
        """The first field of this name, if there is one."""
        return next((value for key, value in self._items if key == name), None)

    def getall(self, name: str) -> list[str | Upload]:
        """All fields of this name."""
        return [value for key, value in self._items if key == name]


class ByteStream:
    """The body of an `application/octet-stream` request, to be read once.

    Declare a mutation's `input` as this type to take one.
    """

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks

    async def read(self) -> bytes:
        """Read all of it into memory."""
        return b"".join([chunk async for chunk in self._chunks])
