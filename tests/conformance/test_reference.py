"""The wire, scenario by scenario: our transcript of the reference router equals that of `@trpc/server`."""

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.processes import CONFORMANCE, node, serve

Transcript = Mapping[str, Any]

REFERENCE: Final = CONFORMANCE / "reference"
# Not splitlines(): a transcript holds U+2028, which only Python takes for the end of a line.
LINES: Final = (REFERENCE / "golden/11.25-none.jsonl").read_text("utf-8").rstrip("\n").split("\n")
GOLDEN: Final[Mapping[str, Transcript]] = {
    transcript["name"]: transcript for transcript in map(json.loads, LINES)
}
SCENARIOS: Final = [name for name in GOLDEN if name.startswith("ws-")]
DIVERGENCES: Final[Mapping[str, str]] = {
    entry["scenario"]: entry["reason"]
    for entry in json.loads((REFERENCE / "divergences.json").read_text("utf-8"))
}


# The probe measures time, so the scenarios run one after another, and all of them in one go.
@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def transcripts(request: pytest.FixtureRequest, node_modules: Path) -> dict[str, Transcript]:
    """What our server answered to each scenario that this run asks for."""
    asked = {
        str(item.callspec.params["scenario"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and "transcripts" in item.fixturenames
    }
    only = asked.pop() if len(asked) == 1 else "ws-*"
    async with serve("tests.conformance.reference_app:app") as server:
        arguments = ("--url", f"{server.url}/api/trpc", "--only", only)
        probe = node("reference/probe.mjs", *arguments, seconds=120)
        return {transcript["name"]: transcript async for transcript in probe}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_transcript_equals_the_reference(scenario: str, transcripts: Mapping[str, Transcript]) -> None:
    golden, ours = GOLDEN[scenario], transcripts[scenario]
    assert ours["steps"] == golden["steps"], "the golden file was recorded with other scenarios"
    if scenario in DIVERGENCES:
        assert ours["received"] != golden["received"], "divergences.json lists what does not differ"
    elif ours["received"] != golden["received"]:
        pytest.fail(difference(golden, ours), pytrace=False)


def test_each_divergence_names_a_scenario_and_its_reason() -> None:
    assert DIVERGENCES.keys() <= GOLDEN.keys()
    assert all(reason.strip() for reason in DIVERGENCES.values())


def test_a_difference_is_shown_line_by_line() -> None:
    golden = {"name": "ws-x", "received": ["a", "b", {"close": [1000, ""]}]}
    ours = {"name": "ws-x", "received": ["a", "c", {"close": [1000, ""]}]}
    assert difference(golden, ours).splitlines()[-4:] == ["  a", "- b", "+ c", '  {"close": [1000, ""]}']


def difference(golden: Transcript, ours: Transcript) -> str:
    """The two transcripts as a diff, `-` the reference and `+` ours."""
    lines = difflib.ndiff(rendered(golden), rendered(ours))
    marked = [shortened(line) for line in lines if not line.startswith("?")]
    return "\n".join([f"{golden['name']} differs: - is the reference, + is ours", *marked])


def rendered(transcript: Transcript) -> list[str]:
    return [entry if isinstance(entry, str) else json.dumps(entry) for entry in transcript["received"]]


def shortened(line: str, limit: int = 400) -> str:
    return line if len(line) <= limit else f"{line[:limit]}… ({len(line)} characters)"
