"""What browsers are told about the pages: what may run, where it may connect, how long it is kept."""

from collections.abc import Mapping
from typing import Final

CLIENT: Final = "tidewire-client.js"
"""The client as one file, which pages of other origins may import."""

YEAR: Final = 365 * 86400
"""Seconds."""

POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    # Covers the WebSocket to the same host and port, too.
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    # Not even our own scripts may turn a text into markup or into a script.
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
"""The Content-Security-Policy. What a model writes is foreign: were it ever taken for markup, it could
neither run nor load anything."""

PERMISSIONS: Final = ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")
"""What no page of ours asks for."""

COMMON: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": ", ".join(f"{feature}=()" for feature in PERMISSIONS),
    "cross-origin-opener-policy": "same-origin",
}


def policy(**changes: str) -> str:
    """The policy as a header; `style_src="…"` replaces a line of it."""
    lines = {**POLICY, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return "; ".join(f"{name} {value}" for name, value in lines.items())


def headers_of(name: str) -> Mapping[str, str]:
    """The headers of a file, by its name within the build, such as `assets/index-4f1c.js`."""
    shared = name == CLIENT
    kept = f"public, max-age={YEAR}, immutable" if name.startswith("assets/") else "no-cache"
    return {
        **COMMON,
        "content-security-policy": policy(),
        "cache-control": kept,
        "cross-origin-resource-policy": "cross-origin" if shared else "same-origin",
        **({"access-control-allow-origin": "*"} if shared else {}),
    }
