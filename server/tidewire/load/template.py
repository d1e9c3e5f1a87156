"""Inputs with placeholders: `{"room": "r{socket}", "number": {n}}`."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

PLACEHOLDER: Final = re.compile(r"\{(socket|call|n|run|setup(?:\.\w+)*)\}")
NAMES: Final = "{socket}, {call}, {n}, {run}, {setup.…}"


class TemplateError(ValueError):
    """A template that gives no JSON; the message goes on after the name of the option."""


class Template:
    """JSON once its placeholders have been filled in.

    They are replaced in the text: `"{n}"` becomes a string and `{n}` a number. Values of `{setup.…}`
    are put in as JSON outside of quotation marks, and as text within.
    """

    def __init__(self, text: str) -> None:
        parts = PLACEHOLDER.split(text)
        self._texts = parts[0::2]
        self._names = parts[1::2]
        self._is_constant = not self._names
        self._constant = text
        self._inside = [_ends_in_string("".join(self._texts[: at + 1])) for at in range(len(self._names))]

    def check(self, *, has_setup: bool) -> None:
        """See that it gives JSON.

        Raises:
            TemplateError: it does not, or needs an answer of `--setup-path` that there will not be.
        """
        if not has_setup and any(name.startswith("setup") for name in self._names):
            raise TemplateError("uses {setup}, which is the answer to --setup-path: add that.")
        text = self._join(dict.fromkeys(self._names, "1"))
        try:
            # Python's own reader takes NaN, which no JSON has.
            json.loads(text, parse_constant=_refuse)
        except ValueError as error:
            raise TemplateError(f"is not JSON, placeholders ({NAMES}) filled in: {error}.") from error
        except RecursionError:
            raise TemplateError("is nested too deeply.") from None

    def fill(self, values: Mapping[str, int | str], setup: Any = None) -> str:
        """Put values in.

        Raises:
            TemplateError: the answer to the set-up has no such field.
        """
        if self._is_constant:
            return self._constant
        texts = {
            name: str(values[name]) if name in values else json.dumps(_find(setup, name))
            for name in set(self._names)
        }
        return self._join(texts)

    def _join(self, texts: Mapping[str, str]) -> str:
        parts = [self._texts[0]]
        for name, inside, text in zip(self._names, self._inside, self._texts[1:], strict=True):
            value = texts[name]
            parts.append(value.strip('"') if inside else value)
            parts.append(text)
        return "".join(parts)


def _ends_in_string(text: str) -> bool:
    return re.sub(r"\\.", "", text).count('"') % 2 == 1


def _find(answer: Any, name: str) -> Any:
    found = answer
    for key in name.split(".")[1:]:
        if not isinstance(found, dict) or key not in found:
            raise TemplateError(f"uses {{{name}}}, which the answer to the set-up does not have.")
        found = found[key]
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
