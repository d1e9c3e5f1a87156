"""What all tests share: the rule about skipping, and fixtures for what is outside the process."""

import json
import os
import shutil
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import hypothesis
import pytest

from tests import processes
from tests.processes import CONFORMANCE
from tests.upstream import Upstream

IN_CI = os.environ.get("CI", "").lower() not in {"", "0", "false"}

# The same examples in every run, and no time limit on one: the machine may be busy.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a skipped test in CI, where everything a test may need has to be there."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself while it is imported."""
    report = yield
    if report.skipped:
        _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if IN_CI:
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure in CI: {report.longreprtext}"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """The address of an SQLite file that does not exist yet."""
    return f"sqlite+aiosqlite:///{tmp_path / 'tidewire.db'}"


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """An OpenAI-compatible server that does what the test tells it to."""
    async with Upstream() as running:
        yield running


@pytest.fixture(scope="session")
def launcher() -> Path:
    """The socket of what starts servers in a fraction of the usual time, see `Deployment`."""
    return processes.launcher()


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """Where the npm packages of the conformance tests are; without them the test is skipped.

    Fails if a version of the stock client would be taken for another one: npm installs one of them next to
    the other packages and one where it is used, and who copies only the former tests it twice.
    """
    installed = CONFORMANCE / "node_modules"
    if shutil.which("node") is None or not installed.is_dir():
        pytest.skip("needs Node and its packages: run `npm ci` in tests/conformance")
    for manifest in CONFORMANCE.glob("trpc/*/package.json"):
        for name, version in json.loads(manifest.read_text("utf-8"))["devDependencies"].items():
            places = (folder / "node_modules" / name / "package.json" for folder in manifest.parents)
            found = json.loads(next(filter(Path.is_file, places)).read_text("utf-8"))["version"]
            if found != version:
                pytest.fail(f"{manifest.parent} has {name} {found}: run `npm ci` in tests/conformance")
    return installed
