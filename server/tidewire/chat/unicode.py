"""Text that can be stored and sent."""

from typing import Final

REPLACEMENT: Final = "\ufffd"


def repaired(text: str) -> str:
    """Replace what no database takes by U+FFFD: halves of surrogate pairs, and the null character.

    JavaScript cuts strings between the two halves, and JSON carries them; UTF-8 does not. Halves that stand
    together become the character that they are. PostgreSQL does not take the null character.
    """
    text = without_nul(text)
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def without_nul(text: str) -> str:
    """Replace null characters only, which is what whole text can still hold."""
    return text.replace("\0", REPLACEMENT) if "\0" in text else text
