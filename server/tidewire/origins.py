"""Which web pages may open a WebSocket here.

A browser lets any page connect to any server; only the server can tell pages apart, by the
`Origin` header. Programs that are not browsers send none.
"""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit


def is_allowed_origin(origin: str | None, host: str, allowed: Collection[str]) -> bool:
    """Whether a page of `origin` may connect to a server that it knows as `host`.

    It may if there is no origin, if page and server have the same host and port, if both are on
    this machine, or if `allowed` names the origin (as `https://example.com`) or is `*`.
    """
    if origin is None or "*" in allowed or origin.rstrip("/").lower() in allowed:
        return True
    try:
        page, server = urlsplit(origin), urlsplit(f"//{host}")
    except ValueError:
        return False
    if page.hostname is not None and page.netloc.lower() == server.netloc.lower():
        return True
    return _is_loopback(page.hostname) and _is_loopback(server.hostname)


def _is_loopback(host: str | None) -> bool:
    if host is None:
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
