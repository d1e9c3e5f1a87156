"""The web app in a real browser, on a real server with a scripted provider behind it."""

import pytest

# So that a check that fails in one of these says why.
pytest.register_assert_rewrite(*(f"tests.browser.{name}" for name in ("axe", "house", "tab", "watch")))
