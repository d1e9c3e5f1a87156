"""Where the load goes to."""

import ipaddress
import socket
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from websockets.exceptions import WebSocketException
from websockets.uri import parse_uri

from .plan import PlanError

PORTS: Final = {"ws": 80, "wss": 443}
INSTEAD: Final = {"http": "ws", "https": "wss"}


def split(url: str) -> SplitResult:
    """Take a URL apart.

    Raises:
        PlanError: it is none of a WebSocket.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme in INSTEAD:
            wanted = urlunsplit(parts._replace(scheme=INSTEAD[parts.scheme]))
            raise PlanError(f"{url} is for HTTP; the WebSocket is probably at {wanted}.")
        if parts.scheme not in PORTS or not parts.hostname or parts.port == 0:
            raise PlanError(f"{url} is not the URL of a WebSocket, such as ws://127.0.0.1:8000/api/trpc.")
        parse_uri(url)
    except PlanError:
        raise
    except (ValueError, WebSocketException) as error:
        raise PlanError(f"{url} is not a URL: {error}.") from error
    return parts


def find_addresses(url: str) -> list[tuple[str, int]]:
    """Look the host up, once, so that the address that was judged is the one that gets the load.

    Raises:
        PlanError: there is no such host.
    """
    parts = split(url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise PlanError(f"The host {host} is not known: {said}.") from error
    return list(dict.fromkeys((str(address[0]), port) for *_, address in found))


def is_loopback(addresses: list[tuple[str, int]]) -> bool:
    """Whether all traffic to these stays on this machine."""
    return all(ipaddress.ip_address(host.partition("%")[0]).is_loopback for host, _ in addresses)


def host_of(url: str) -> str:
    """Give the name that a certificate has to be for."""
    return urlsplit(url).hostname or ""


def with_query(url: str, pair: str) -> str:
    """Add to the query of a URL."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query=f"{parts.query}&{pair}" if parts.query else pair, fragment=""))
