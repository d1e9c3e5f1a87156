"""Text that can be stored and sent."""


def repaired(text: str) -> str:
    """Replace each half of a surrogate pair that has lost its other half by U+FFFD.

    JavaScript cuts strings between the two halves, and JSON carries them; no database takes them,
    and neither does UTF-8. Halves that stand together become the character that they are.
    """
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
