"""Which pages may connect."""

import pytest

from tidewire.origins import is_allowed_origin

ALLOWED = {"https://app.example.com", "http://localhost.example:3000"}


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "example.com", True),
        ("https://example.com", "example.com", True),
        ("http://example.com:8080", "example.com:8080", True),
        ("https://EXAMPLE.com", "example.COM", True),
        ("https://app.example.com", "api.example.com", True),
        ("https://app.example.com/", "api.example.com", True),
        ("HTTPS://APP.example.com", "api.example.com", True),
        ("http://localhost.example:3000", "example.com", True),
        ("http://localhost:5173", "localhost:8000", True),
        ("http://localhost:5173", "127.0.0.1:8000", True),
        ("http://127.0.0.1:5173", "[::1]:8000", True),
        ("http://[::1]:5173", "localhost:8000", True),
        ("http://dev.localhost:5173", "127.5.5.5:8000", True),
        ("https://evil.com", "example.com", False),
        ("https://example.com.evil.com", "example.com", False),
        ("https://evil-example.com", "example.com", False),
        ("https://example.com:8443", "example.com", False),
        ("http://example.com:3000", "example.com:8000", False),
        ("http://app.example.com", "api.example.com", False),
        ("https://app.example.com:444", "api.example.com", False),
        ("https://example.com@evil.com", "example.com", False),
        ("https://evil.com", "localhost:8000", False),
        ("http://localhost:5173", "example.com", False),
        ("http://localhost.evil.com", "localhost:8000", False),
        ("http://127.0.0.1.evil.com", "127.0.0.1:8000", False),
        ("http://192.168.1.5:5173", "127.0.0.1:8000", False),
        ("null", "example.com", False),
        ("null", "localhost:8000", False),
        ("null", "", False),
        ("", "example.com", False),
        ("", "", False),
        ("https://", "", False),
        ("file://", "localhost:8000", False),
        ("http://[bad", "example.com", False),
        ("http://example.com", "[bad", False),
    ],
)
def test_a_page_may_connect_to_its_own_host_and_where_it_is_named(
    origin: str | None, host: str, allowed: bool
) -> None:
    assert is_allowed_origin(origin, host, ALLOWED) is allowed


@pytest.mark.parametrize("origin", ["https://evil.com", "null", "", "http://[bad"])
def test_a_star_allows_every_page(origin: str) -> None:
    assert is_allowed_origin(origin, "example.com", {"*"})
