"""The pages of a server whose web app has not been built."""

from pathlib import Path

from starlette.applications import Starlette

from tidewire.chat.web import web_routes

app = Starlette(routes=web_routes(Path(__file__).parent / "nowhere"))
