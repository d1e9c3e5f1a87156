"""Which paths are pages, and which are files."""

from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .files import BuiltFiles
from .notice import not_built

DIST: Final = Path(__file__).parent / "dist"
"""Where `make app` puts the app. It may appear, and change, while the server runs."""


def web_routes(folder: Path = DIST) -> list[Route]:
    """Routes that serve the app in `folder`, for the end of an application's list.

    `/` and `/c/{id}` are the app itself, which reads its own address; everything else is a file at the
    top of the folder or in its `assets`. What is not there gets a 404. While nothing is built, the pages
    say how to build it.
    """
    files = BuiltFiles(directory=folder, check_dir=False)

    async def page(request: Request) -> Response:
        try:
            return await files.get_response("index.html", request.scope)
        except HTTPException:
            return not_built()

    async def file(request: Request) -> Response:
        return await files.get_response(files.get_path(request.scope), request.scope)

    # No path of several levels outside of assets: `/healthz/` is still sent to `/healthz`.
    return [
        Route("/", page),
        Route("/c/{conversation_id}", page),
        Route("/assets/{path:path}", file),
        Route("/{name}", file),
    ]
