"""JSON documents for property tests."""

from typing import Any, Final

from hypothesis import strategies as st

# Deeper than Python recurses, though Hypothesis lets it recurse 2000 levels more.
DEPTH: Final = 2500
DEEP_TEXT: Final = "[" * DEPTH + "]" * DEPTH


def deep_value() -> list[Any]:
    """Nest as many lists as `DEEP_TEXT` does."""
    value: list[Any] = []
    for _ in range(DEPTH - 1):
        value = [value]
    return value


def texts(*, surrogates: bool) -> st.SearchStrategy[str]:
    """Draw strings of any characters, lone surrogates among them if wanted."""
    characters = st.characters(exclude_categories=["Cs"])
    if surrogates:
        characters |= st.sampled_from("\ud800\udbff\udc00\ude00")
    return st.text(characters, max_size=8)


def documents(*, surrogates: bool) -> st.SearchStrategy[Any]:
    """Draw what a JSON text can stand for."""
    text = texts(surrogates=surrogates)
    numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    big = st.integers(min_value=-(10**300), max_value=10**300)
    scalars = st.none() | st.booleans() | numbers | big | text
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
        max_leaves=12,
    )
