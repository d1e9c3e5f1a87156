"""Front ends taken out of documents: written to a folder, built, and served as their readers would."""

import asyncio
import re
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

from tests.conformance.client import WAIT_SECONDS
from tests.processes import ROOT, stop

CLIENT: Final = ROOT / "client_js"
PACKAGES: Final = CLIENT / "node_modules"
BLOCK: Final = re.compile(r'^```\w+ title="(?P<name>.*?)"\n(?P<code>.*?)^```', re.M | re.S)
BUILD_SECONDS: Final = 60.0
PREVIEW_LINE: Final = re.compile(rb"(http://127\.0\.0\.1:\d+)/")

INDEX: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Chat</title><link rel="icon" href="data:,"></head>
<body><div id="root"></div><script type="module" src="/src/main.tsx"></script></body>
</html>
"""
"""What `npm create vite` makes, but for its icon."""

TSCONFIG: Final = """{
  "compilerOptions": {
    "strict": true, "noUncheckedIndexedAccess": true, "exactOptionalPropertyTypes": true,
    "noUnusedLocals": true, "verbatimModuleSyntax": true, "skipLibCheck": true, "noEmit": true,
    "target": "es2023", "lib": ["es2023", "dom", "dom.iterable"], "jsx": "react-jsx",
    "module": "esnext", "moduleResolution": "bundler", "types": []
  },
  "include": ["src"]
}
"""


def files_of(document: str) -> Mapping[str, str]:
    """The blocks of a document that have a file's name for a title."""
    text = (ROOT / document).read_text()
    return {found["name"]: found["code"] for found in BLOCK.finditer(text)}


def write_project(folder: Path, files: Mapping[str, str], url: str) -> None:
    """Lay a project out, for a server at `url` rather than at the documents' address."""
    own = {
        "index.html": INDEX,
        "tsconfig.json": TSCONFIG,
        "package.json": '{"type": "module"}',
        "src/app-router.d.ts": (CLIENT / "app-router.d.ts").read_text(),
    }
    for name, content in (own | dict(files)).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content.replace("http://127.0.0.1:8000", url))
    (folder / "node_modules").symlink_to(PACKAGES)


async def run(folder: Path, tool: str, *arguments: str) -> None:
    """Run a tool of the project to its end.

    Raises:
        AssertionError: it failed; the message holds what it printed.
    """
    command = [str(PACKAGES / ".bin" / tool), *arguments]
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=PIPE, stderr=STDOUT)
    async with asyncio.timeout(BUILD_SECONDS):
        printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()


@asynccontextmanager
async def preview(folder: Path) -> AsyncGenerator[str]:
    """Serve what was built by Vite, with the proxy of the project's configuration; gives the URL."""
    command = [str(PACKAGES / ".bin" / "vite"), "preview", "--host", "127.0.0.1", "--port", "0"]
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=PIPE, stderr=STDOUT)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            # The port may be set in bold.
            while not (
                found := PREVIEW_LINE.search(re.sub(rb"\x1b\[\d+m", b"", await process.stdout.readline()))
            ):
                assert not process.stdout.at_eof(), "the preview has ended"
        yield found[1].decode()
    finally:
        await stop(process)
        await process.stdout.read()


@asynccontextmanager
async def static_files(folder: Path) -> AsyncGenerator[str]:
    """Serve a folder as `python -m http.server` does; gives the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        await asyncio.to_thread(server.shutdown)
        thread.join()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Leave the test's output alone."""
