"""The page that is there while the app is not."""

import base64
import hashlib
from typing import Final

from starlette.responses import HTMLResponse

from .headers import COMMON, policy

STYLE: Final = """
:root { color-scheme: light dark; font: 1rem/1.6 system-ui, sans-serif; }
body { max-width: 38rem; margin: 15vh auto 0; padding: 0 1.25rem; }
h1 { font-size: 1.25rem; }
code { font-size: .95em; }
"""

PAGE: Final = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tidewire</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>Tidewire is running</h1>
<p>The API answers at <code>/api/trpc</code>. The web app that belongs on this page has not been built.</p>
<p>To build it, run <code>make app</code> in the checkout (it needs Node 20 or newer, with npm),
and reload this page.</p>
<p>To leave the pages out, set <code>TIDEWIRE_WEB=off</code>.</p>
</main>
</body>
</html>
"""

_DIGEST: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()


def not_built() -> HTMLResponse:
    """The notice, with status 200.

    The server is well, and so is an API without pages: what looks at `/` to see whether it is, as load
    balancers do by default, must not take it for broken.
    """
    headers = {
        **COMMON,
        "content-security-policy": policy(style_src=f"'sha256-{_DIGEST}'"),
        "cache-control": "no-store",
        "cross-origin-resource-policy": "same-origin",
    }
    return HTMLResponse(PAGE, headers=headers)
