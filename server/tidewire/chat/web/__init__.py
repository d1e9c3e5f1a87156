"""The web app: the pages at `/`, as the build of `client_js/app` left them in `dist`."""

from .routes import DIST, web_routes

__all__ = ["DIST", "web_routes"]
