"""What the documents say about the code is so."""

import json
import re
from pathlib import Path

import pytest

from tests.processes import ROOT
from tidewire.chat.settings import Settings
from tidewire_protocol import CODES

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


def table_rows(document: str) -> set[tuple[str, ...]]:
    lines = (ROOT / document).read_text().splitlines()
    return {
        tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines if line.startswith("|")
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file(document: Path) -> None:
    for target in LINK.findall(document.read_text()):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"


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
