"""Inputs with placeholders."""

import json
from typing import Any

import pytest

from tidewire.load.template import Template, TemplateError

VALUES: dict[str, int | str] = {"socket": 3, "call": 0, "n": 17, "run": "ab12"}


@pytest.mark.parametrize(
    ("text", "setup", "expected"),
    [
        ('{"a": {n}}', None, {"a": 17}),
        ('{"a": "{n}"}', None, {"a": "17"}),
        ('{"a": "room-{socket}-{run}"}', None, {"a": "room-3-ab12"}),
        ("{n}", None, 17),
        ('{"a": {setup.id}}', {"id": "x"}, {"a": "x"}),
        ('{"a": "{setup.id}"}', {"id": "x"}, {"a": "x"}),
        ('{"a": "r{setup.id}"}', {"id": 5}, {"a": "r5"}),
        ('{"a": "{setup.id}"}', {"id": 'say "hi"\\'}, {"a": 'say "hi"\\'}),
        ('{"a": {setup}}', [1, 2], {"a": [1, 2]}),
        ('{"a": {setup.b.c}}', {"b": {"c": None}}, {"a": None}),
        ('{"\\"{": "{other}"}', None, {'"{': "{other}"}),
        ("{}", None, {}),
    ],
)
def test_placeholders_are_filled_in(text: str, setup: Any, expected: Any) -> None:
    template = Template(text)
    template.check(has_setup=True)
    assert json.loads(template.fill(VALUES, setup)) == expected


@pytest.mark.parametrize("text", ["", "{", '{"a": }', "{nope}", "NaN", '{"a": {n}x}', "[" * 100_000])
def test_what_gives_no_json_is_refused(text: str) -> None:
    with pytest.raises(TemplateError):
        Template(text).check(has_setup=True)


def test_an_answer_that_lacks_the_field_is_said() -> None:
    with pytest.raises(TemplateError, match=r"\{setup\.id\}"):
        Template("{setup.id}").fill(VALUES, {"name": "x"})
    with pytest.raises(TemplateError, match="--setup-path"):
        Template("{setup.id}").check(has_setup=False)
