"""Files of the build, from memory."""

import asyncio
import gzip
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from os import stat_result
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

from .headers import headers_of

MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""Python's `mimetypes` asks the machine, and where that calls a script plain text no browser runs it."""

PACKED: Final = {".css", ".html", ".js", ".json", ".map", ".svg", ".txt", ".webmanifest"}
"""What gzip makes smaller."""


@dataclass(frozen=True)
class BuiltFile:
    """A file as it is sent."""

    content: bytes
    packed: bytes | None
    """The content by gzip, where that is smaller."""
    digest: str
    media_type: str


# Some fifty files, most of them small: the build is less than two megabytes.
@lru_cache(maxsize=512)
def load(path: Path, changed_at: int, size: int) -> BuiltFile:
    """Read a file, and pack it once. The time of change and the size only tell its versions apart."""
    content = path.read_bytes()
    packed = gzip.compress(content, mtime=0) if path.suffix in PACKED else content
    return BuiltFile(
        content=content,
        packed=packed if len(packed) < len(content) else None,
        digest=hashlib.sha256(content).hexdigest()[:32],
        media_type=MEDIA_TYPES.get(path.suffix, "application/octet-stream"),
    )


class BuiltFiles(StaticFiles):
    """Starlette's static files, but sent from memory, packed, and known by what they hold.

    A file's time and size would not do for its ETag: installers set every time to the same moment, and the
    index of two versions differs in nothing but the names of hashed files, so a browser would keep the old
    one, whose scripts are gone.
    """

    async def get_response(self, path: str, scope: Scope) -> Response:
        found = await super().get_response(path, scope)
        if not isinstance(found, FileResponse) or found.stat_result is None:
            return found
        full_path, state = Path(found.path), found.stat_result
        file = await asyncio.to_thread(load, full_path, state.st_mtime_ns, state.st_size)
        return self._answer(file, full_path, Headers(scope=scope))

    def file_response(
        self, full_path: object, stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Leave conditions to `get_response`, which has an ETag to compare."""
        return FileResponse(str(full_path), status_code, stat_result=stat_result)

    def _answer(self, file: BuiltFile, path: Path, asked: Headers) -> Response:
        assert self.directory is not None
        name = path.relative_to(Path(self.directory).resolve()).as_posix()
        headers = {**headers_of(name), "etag": f'"{file.digest}"'}
        content = file.content
        if file.packed is not None:
            headers["vary"] = "accept-encoding"
            if "gzip" in asked.get("accept-encoding", ""):
                content = file.packed
                headers |= {"content-encoding": "gzip", "etag": f'"{file.digest}-gzip"'}
        response = Response(content, headers=headers, media_type=file.media_type)
        if self.is_not_modified(response.headers, asked):
            return NotModifiedResponse(response.headers)
        return response
