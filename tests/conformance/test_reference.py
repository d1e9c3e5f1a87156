"""The wire, scenario by scenario: our transcript of the reference router equals that of `@trpc/server`."""

import asyncio
import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.processes import CONFORMANCE, node, serve

Transcript = Mapping[str, Any]
Transcripts = Mapping[str, Transcript]

REFERENCE: Final = CONFORMANCE / "reference"
TRANSFORMERS: Final = ("none", "superjson")


def golden_transcripts(transformer: str) -> Iterator[Transcript]:
    # Not splitlines(): a transcript holds U+2028, which only Python takes for the end of a line.
    text = (REFERENCE / f"golden/11.25-{transformer}.jsonl").read_text("utf-8")
    return map(json.loads, text.rstrip("\n").split("\n"))


GOLDEN: Final[Mapping[str, Transcripts]] = {
    transformer: {transcript["name"]: transcript for transcript in golden_transcripts(transformer)}
    for transformer in TRANSFORMERS
}
SCENARIOS: Final = [(transformer, name) for transformer in TRANSFORMERS for name in GOLDEN[transformer]]
# An entry is for both transformers unless it names one.
DIVERGENCES: Final[list[dict[str, str]]] = json.loads((REFERENCE / "divergences.json").read_text("utf-8"))
DIVERGENT: Final = {
    (transformer, entry["scenario"])
    for entry in DIVERGENCES
    for transformer in ([entry["transformer"]] if "transformer" in entry else TRANSFORMERS)
}


# The probe measures time, so the scenarios of a transformer run one after another, all in one go.
@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def transcripts(request: pytest.FixtureRequest, node_modules: Path) -> Mapping[str, Transcripts]:
    """What our server answered, by transformer, to each scenario that this run asks for."""
    asked: dict[str, set[str]] = {}
    for item in request.session.items:
        if isinstance(item, pytest.Function) and "transcripts" in item.fixturenames:
            params = item.callspec.params
            asked.setdefault(str(params["transformer"]), set()).add(str(params["scenario"]))
    probed = await asyncio.gather(*(probe(transformer, names) for transformer, names in asked.items()))
    return dict(zip(asked, probed, strict=True))


async def probe(transformer: str, names: set[str]) -> Transcripts:
    """Serve the reference router, and record the scenarios `names`, or all if there are several."""
    only = ["--only", *names] if len(names) == 1 else []
    environment = {"REFERENCE_TRANSFORMER": transformer}
    async with serve("tests.conformance.reference_app:app", env=environment) as server:
        arguments = ["--url", f"{server.url}/api/trpc", "--transformer", transformer, *only]
        lines = node("reference/probe.mjs", *arguments, seconds=120)
        return {transcript["name"]: transcript async for transcript in lines}


@pytest.mark.parametrize(("transformer", "scenario"), SCENARIOS)
def test_the_transcript_equals_the_reference(
    transformer: str, scenario: str, transcripts: Mapping[str, Transcripts]
) -> None:
    golden, ours = GOLDEN[transformer][scenario], transcripts[transformer][scenario]
    assert ours["steps"] == golden["steps"], "the golden file was recorded with other scenarios"
    if (transformer, scenario) in DIVERGENT:
        assert ours["received"] != golden["received"], "divergences.json lists what does not differ"
    elif ours["received"] != golden["received"]:
        pytest.fail(difference(golden, ours), pytrace=False)


def test_each_divergence_names_a_scenario_and_its_reason() -> None:
    assert set(SCENARIOS) >= DIVERGENT
    assert all(entry["reason"].strip() for entry in DIVERGENCES)


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
