"""What a conversation is called that nobody has named."""

from typing import Final

MAX_TITLE: Final = 60  # characters


def title_of(text: str) -> str:
    """Make a title of a message: its first line, cut at a word."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if len(line) <= MAX_TITLE:
        return line
    head, _, _ = line[:MAX_TITLE].rpartition(" ")
    return f"{head or line[: MAX_TITLE - 1]}…"
