"""The command line: what it serves, and what it says when it cannot."""

import asyncio
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests import processes
from tests.processes import START_LINE, server_environment
from tidewire.cli import cli

APP = "tests.tidewire.runner.apps:app"

APP_SOURCE = """
from tidewire import Router, create_app

router = Router()
app = create_app(router)
number = 5
"""


@pytest.fixture(autouse=True)
def import_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the command change the import path of this process, and undo it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, env: Mapping[str, str] | None = None) -> Result:
    return CliRunner().invoke(cli, arguments, prog_name="tidewire", env=env)


async def python(*arguments: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run Python to its end: exit status, and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        env=server_environment() | dict(env or {}),
    )
    async with asyncio.timeout(30):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


# ---------- help and version


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["serve", "--help"], ["serve", "-h"]])
def test_help_says_what_can_be_done(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 0
    assert "serve" in result.output
    assert "--help" in result.output


def test_the_version_is_that_of_the_distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = tmp_path / "tidewire-9.8.7.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.4\nName: tidewire\nVersion: 9.8.7\n")
    monkeypatch.syspath_prepend(tmp_path)
    result = run("--version")
    assert result.exit_code == 0
    assert result.output == "tidewire, version 9.8.7\n"


async def test_the_package_can_be_run_as_a_module() -> None:
    status, output = await python("-m", "tidewire", "serve", "--help")
    assert status == 0
    assert output.startswith("Usage: tidewire serve [OPTIONS] [MODULE:APP]")


# ---------- serving


async def test_an_application_is_served_on_a_free_port_if_that_is_0() -> None:
    async with processes.serve(APP) as server:
        assert f"Tidewire is listening on {server.url}" in server.log
        assert not server.url.endswith(":0")


async def test_an_application_in_the_working_directory_is_found(tmp_path: Path) -> None:
    (tmp_path / "own_app.py").write_text(APP_SOURCE)
    async with processes.serve("own_app:app", cwd=tmp_path) as server:
        assert START_LINE.fullmatch(f"Tidewire is listening on {server.url}")


async def test_the_port_can_come_from_the_environment() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tidewire", "serve", APP, "--host", "127.0.0.1"),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=DEVNULL,
        env=server_environment() | {"PORT": "0"},
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            started = START_LINE.match((await process.stdout.readline()).decode())
        assert started
        assert not started[1].endswith((":0", ":8000"))
    finally:
        await processes.stop(process)


CHAT_SOURCE = """
from tidewire.chat import create_chat_app

app = create_chat_app(tools=[])
"""


async def test_a_chat_server_of_ones_own_takes_its_settings_from_where_the_other_does(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(CHAT_SOURCE)
    (tmp_path / ".env").write_text("TIDEWIRE_LOG_LEVEL=error\nDATABASE_URL=sqlite:///shop.db\n")
    async with processes.serve("shop:app", cwd=tmp_path) as server:
        assert not [line for line in server.log if "INFO" in line]
        assert "provider demo with model demo, database sqlite:///shop.db" in "".join(server.log)


async def test_a_database_that_a_chat_server_of_ones_own_cannot_open_is_one_sentence(
    tmp_path: Path,
) -> None:
    (tmp_path / "shop.py").write_text(CHAT_SOURCE)
    url = f"sqlite:///{tmp_path}"
    status, output = await python("-m", "tidewire", "serve", "shop:app", env={"DATABASE_URL": url})
    assert status == 1
    assert output == f"Error: The database {url} cannot be opened: unable to open database file.\n"


# ---------- what cannot be served


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("own_app", "'own_app' does not say which application to serve; write MODULE:APP"),
        ("own_app:", "'own_app:' does not say which application to serve; write MODULE:APP"),
        (":app", "':app' does not say which application to serve; write MODULE:APP"),
        ("nowhere:app", "There is no module called nowhere"),
        ("nowhere.deep:app", "There is no module called nowhere.deep"),
        ("own_app.py:app", "There is no module called own_app.py"),
        ("own_app:application", "The module own_app has no application"),
        ("own_app:app.missing", "The module own_app has no app.missing"),
        ("own_app:number", "own_app:number is not an ASGI application; make one with create_app(router)"),
        ("own_app:router", "own_app:router is not an ASGI application; make one with create_app(router)"),
    ],
)
def test_a_target_that_cannot_be_served_gets_one_sentence(target: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "own_app.py").write_text(APP_SOURCE)
    result = run("serve", target)
    assert result.exit_code == 1
    assert result.output == f"Error: {message}\n"


@pytest.mark.parametrize(
    ("source", "mistake"),
    [
        (
            "import a_package_that_is_missing",
            "ModuleNotFoundError: No module named 'a_package_that_is_missing'",
        ),
        ("import os; os.no_such_thing", "AttributeError: module 'os' has no attribute 'no_such_thing'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def f(:", "SyntaxError: invalid syntax"),
    ],
)
async def test_a_mistake_inside_the_module_is_shown_with_its_traceback(
    source: str, mistake: str, tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text(f"# A comment.\n{source}\n")
    status, output = await python("-m", "tidewire", "serve", "broken:app", "--port", "0")
    assert status == 1
    assert 'broken.py", line 2' in output
    assert mistake in output


@pytest.mark.parametrize("port", ["abc", "-1", "65536"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    result = run("serve", APP, "--port", port)
    assert result.exit_code == 2
    assert "Error: Invalid value for '--port'" in result.output


@pytest.mark.parametrize("port", ["abc", "-1", "65536"])
@pytest.mark.parametrize("target", [[APP], []], ids=["application", "chat"])
async def test_a_port_of_the_environment_that_is_none_is_named(target: list[str], port: str) -> None:
    status, output = await python("-m", "tidewire", "serve", *target, env={"PORT": port})
    assert (status, output) == (1, "Error: PORT must be a whole number from 0 to 65535.\n")


async def test_a_port_that_is_taken_is_said_in_the_last_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, output = await python("-m", "tidewire", "serve", APP, "--port", str(port))
    assert status == 1
    assert output.splitlines()[-1].startswith(f"Error: Port {port} of 127.0.0.1 is taken: ")


@pytest.mark.parametrize("host", ["192.0.2.1", "no host"])
async def test_an_address_that_is_not_this_machines_is_said_in_the_last_line(host: str) -> None:
    status, output = await python("-m", "tidewire", "serve", APP, "--host", host, "--port", "0")
    assert status == 1
    assert output.splitlines()[-1].startswith(f"Error: {host}, port 0, cannot be listened on: ")


# ---------- the base install


@pytest.mark.parametrize("missing", ["click", "uvicorn", "websockets"])
async def test_without_the_server_extra_the_command_says_what_to_install(missing: str) -> None:
    command = f"import sys; sys.modules[{missing!r}] = None; from tidewire.cli import main; main()"
    status, output = await python("-c", command, "serve", APP, "--port", "0")
    assert status == 1
    (line,) = output.splitlines()
    assert f"{missing} is not installed; install the server with: pip install 'tidewire[server]'" in line


async def test_the_library_needs_nothing_of_the_server_extra() -> None:
    extra = ["aiosqlite", "alembic", "click", "dotenv", "openai", "sqlalchemy", "uvicorn", "websockets"]
    command = f"import sys; sys.modules.update(dict.fromkeys({extra})); import tidewire, tidewire.testing"
    assert await python("-c", command) == (0, "")
