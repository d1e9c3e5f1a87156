"""Folding as clients do it: the vectors that the TypeScript client is tested by, too."""

import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from tests.processes import ROOT
from tidewire.chat.events import MessageEvent
from tidewire.chat.fold import Fold

PATH: Path = ROOT / "tests" / "vectors" / "fold.json"
VECTORS: list[dict[str, Any]] = json.loads(PATH.read_text("utf-8"))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))
def test_the_events_fold_to_the_parts(vector: dict[str, Any]) -> None:
    fold = Fold()
    for event in vector["events"]:
        fold.apply(msgspec.convert(event, MessageEvent))
    assert msgspec.to_builtins(fold.parts) == vector["parts"]
    assert fold.content == vector["content"]


def test_the_vectors_hold_every_type_of_event() -> None:
    held = {event["type"] for vector in VECTORS for event in vector["events"]}
    assert held == {kind.__struct_config__.tag for kind in get_args(MessageEvent)}
