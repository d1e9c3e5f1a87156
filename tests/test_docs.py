"""What the documents say about the code is so."""

import json
import re
from pathlib import Path
from typing import get_type_hints

import pytest

from tests.processes import ROOT
from tidewire.chat.settings import Settings
from tidewire.transports.endpoint import EndpointOptions
from tidewire_protocol import CODES

DOCUMENTS = sorted(
    [
        *(*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")),
        *(ROOT / "client_js/README.md", ROOT / "client_js/app/README.md"),
    ]
)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
FENCED = re.compile(r"^```.*?^```", re.M | re.S)
HEADING = re.compile(r"^#+ (.*)$", re.M)


def anchors(document: Path) -> set[str]:
    """What links can name in a document, as GitHub makes it of headings."""
    headings = HEADING.findall(FENCED.sub("", document.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def table_rows(document: str) -> set[tuple[str, ...]]:
    lines = (ROOT / document).read_text().splitlines()
    return {
        tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines if line.startswith("|")
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(document: Path) -> None:
    for target, anchor in LINK.findall(document.read_text()):
        file = document.parent / target if target else document
        assert file.exists(), f"{document.name} links to {target}"
        assert not anchor or anchor in anchors(file), f"{document.name} links to {target}#{anchor}"


def test_every_option_of_an_endpoint_is_in_the_guide() -> None:
    named = {name for row in table_rows("docs/guide.md") for name in re.findall(r"`(\w+)`", row[0])}
    assert not get_type_hints(EndpointOptions).keys() - named


def test_every_setting_is_documented_as_it_is() -> None:
    rows = table_rows("docs/configuration.md")
    for variable in Settings.variables():
        default = f"`{variable.default}`" if variable.default else ""
        assert (f"`{variable.name}`", variable.allowed, default, variable.description) in rows


def test_every_error_code_is_documented_with_its_numbers() -> None:
    rows = table_rows("docs/protocol.md")
    for code, numbers in CODES.items():
        assert (f"`{code}`", str(numbers.jsonrpc), str(numbers.http_status)) in rows


def test_every_divergence_is_documented_with_its_reason() -> None:
    listed = json.loads((ROOT / "tests/conformance/reference/divergences.json").read_text())
    rows = table_rows("docs/protocol.md")
    for divergence in listed:
        assert (f"`{divergence['scenario']}`", divergence["reason"]) in rows
