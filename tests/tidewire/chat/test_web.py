"""The web app's pages: what is served, with which headers, and what is not."""

import gzip
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.tidewire.chat.scripted import ScriptedProvider
from tidewire.chat import Settings, create_chat_app
from tidewire.chat.web import web_routes

INDEX = "<!doctype html><title>Tidewire</title>" + "<p>calm</p>" * 50
SCRIPT = "console.log(1);\n" * 100
FILES = {
    "index.html": INDEX,
    "favicon.svg": "<svg/>",
    "tidewire-client.js": SCRIPT,
    "assets/index-4f1c.js": SCRIPT,
    "assets/index-4f1c.css": "a{}",
    "assets/deep/other.bin": "x",
}


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A build, and beside it what must not be served."""
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "dist"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


@pytest.fixture
def client(dist: Path) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=web_routes(dist))) as client:
        yield client


# ---------- what is there


@pytest.mark.parametrize("path", ["/", "/c/some-conversation", "/index.html"])
def test_the_app_is_served_at_its_addresses(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.text) == (200, INDEX)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("path", "kind", "kept"),
    [
        ("/assets/index-4f1c.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
        ("/assets/index-4f1c.css", "text/css; charset=utf-8", "public, max-age=31536000, immutable"),
        ("/assets/deep/other.bin", "application/octet-stream", "public, max-age=31536000, immutable"),
        ("/favicon.svg", "image/svg+xml", "no-cache"),
        ("/tidewire-client.js", "text/javascript; charset=utf-8", "no-cache"),
    ],
)
def test_files_have_their_type_and_hashed_ones_are_kept_for_good(
    client: TestClient, path: str, kind: str, kept: str
) -> None:
    answer = client.get(path)
    assert answer.text == FILES[path[1:]]
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == (kind, kept)


def test_a_head_request_gets_the_same_headers(client: TestClient) -> None:
    assert client.head("/").headers == client.get("/").headers
    assert client.head("/").status_code == 200


@pytest.mark.parametrize("path", ["/", "/c/1", "/assets/index-4f1c.js", "/favicon.svg"])
def test_nothing_can_be_written(client: TestClient, path: str) -> None:
    assert {client.request(method, path).status_code for method in ("POST", "PUT", "DELETE")} == {405}


# ---------- what is not


@pytest.mark.parametrize(
    "path",
    [
        "/missing.js",
        "/assets",
        "/assets/",
        "/assets/missing.js",
        "/assets/deep",
        "/c",
        "/c/1/2",
        "/deep/index.html",
        "/" + "a" * 5000,
        "/a%00b",
        "/assets/a%00b",
    ],
)
def test_what_is_not_there_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/assets/../../secret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/assets//{outside}",
        "/assets/%2f{outside}",
        "/..%5csecret.txt",
        "/assets/..%5c..%5csecret.txt",
        "/link.txt",
    ],
)
def test_nothing_outside_the_build_is_served(client: TestClient, dist: Path, path: str) -> None:
    (dist / "link.txt").symlink_to(dist.parent / "secret.txt")
    assert client.get(path.format(outside=dist.parent / "secret.txt")).status_code == 404


def test_only_what_lies_in_assets_is_kept_for_good(client: TestClient) -> None:
    answer = client.get("/assets/%2e%2e/index.html")
    assert (answer.text, answer.headers["cache-control"]) == (INDEX, "no-cache")


# ---------- the second time


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_what_has_not_changed_is_not_sent_again(client: TestClient, encoding: str) -> None:
    first = client.get("/", headers={"accept-encoding": encoding})
    condition = {"accept-encoding": encoding, "if-none-match": first.headers["etag"]}
    again = client.get("/", headers=condition)
    assert (again.status_code, again.content) == (304, b"")
    for name in ("etag", "cache-control", "vary"):
        assert again.headers[name] == first.headers[name]


def test_a_new_build_is_seen_even_if_time_and_size_are_those_of_the_old(dist: Path, tmp_path: Path) -> None:
    """As where an installer sets all times to the same moment, and names differ in their hashes only."""
    etags: list[str] = []
    for number, hashed in enumerate(("index-aaaa.js", "index-bbbb.js")):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "index.html").write_text(hashed)
        os.utime(folder / "index.html", (1, 1))
        with TestClient(Starlette(routes=web_routes(folder))) as client:
            etags.append(client.get("/").headers["etag"])
    assert etags[0] != etags[1]


def test_a_build_while_the_server_runs_is_seen(client: TestClient, dist: Path) -> None:
    client.get("/")
    (dist / "index.html").write_text("another")
    assert client.get("/").text == "another"


# ---------- fewer bytes


def test_text_is_packed_for_who_can_unpack_it(client: TestClient) -> None:
    plain = client.get("/assets/index-4f1c.js", headers={"accept-encoding": "identity"})
    with client.stream("GET", "/assets/index-4f1c.js", headers={"accept-encoding": "gzip, br"}) as packed:
        raw = b"".join(packed.iter_raw())
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content
    assert int(packed.headers["content-length"]) == len(raw) < len(plain.content)
    assert plain.headers["vary"] == packed.headers["vary"] == "accept-encoding"
    assert plain.headers["etag"] != packed.headers["etag"]


def test_what_would_grow_is_sent_as_it_is(client: TestClient) -> None:
    answer = client.get("/favicon.svg", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    assert "vary" not in answer.headers


# ---------- what browsers are told


@pytest.mark.parametrize("path", ["/", "/c/1", "/assets/index-4f1c.js", "/favicon.svg"])
def test_nothing_foreign_may_run_or_be_loaded(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        "; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "camera=()" in headers["permissions-policy"]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


def test_pages_of_other_origins_may_import_the_client(client: TestClient) -> None:
    headers = client.get("/tidewire-client.js", headers={"origin": "https://elsewhere.example"}).headers
    assert headers["access-control-allow-origin"] == "*"
    assert headers["cross-origin-resource-policy"] == "cross-origin"


# ---------- without a build


@pytest.mark.parametrize("path", ["/", "/c/1"])
def test_without_a_build_the_page_says_how_to_make_one(tmp_path: Path, path: str) -> None:
    with TestClient(Starlette(routes=web_routes(tmp_path / "missing"))) as client:
        answer = client.get(path)
        assert client.get("/assets/index.js").status_code == 404
        assert client.get("/tidewire-client.js").status_code == 404
    assert answer.status_code == 200
    assert "make app" in answer.text
    assert "Node 20" in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_the_pages_style_is_what_its_policy_allows(tmp_path: Path) -> None:
    with TestClient(Starlette(routes=web_routes(tmp_path / "missing"))) as client:
        policy = client.get("/").headers["content-security-policy"]
    assert re.search(r"; style-src 'sha256-[\w+/]{43}='; ", policy)
    assert "unsafe" not in policy


# ---------- beside the API


def test_the_chat_server_serves_the_pages_beside_the_api(
    settings: Settings, scripted: ScriptedProvider
) -> None:
    with TestClient(create_chat_app(settings, provider=scripted)) as client:
        assert "<title>Tidewire</title>" in client.get("/").text
        assert client.get("/healthz").text == "ok\n"
        assert client.get("/readyz").text == "ready\n"
        assert client.get("/healthz/", follow_redirects=False).headers["location"].endswith("/healthz")
        assert client.get("/api/trpc/models.list").json()["result"]["data"][0]["isDefault"] is True
        assert client.get("/api/trpc/missing").json()["error"]["data"]["code"] == "NOT_FOUND"
        assert client.get("/api/other").status_code == 404


def test_the_pages_can_be_switched_off(
    settings: Settings, scripted: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Settings.load({}, None).web == "on"
    off = Settings.load({"TIDEWIRE_WEB": "Off", "DATABASE_URL": settings.database_url}, None)
    with TestClient(create_chat_app(off, provider=scripted)) as client:
        assert {client.get(path).status_code for path in ("/", "/c/1", "/favicon.svg")} == {404}
        assert client.get("/healthz").status_code == 200
