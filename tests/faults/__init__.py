"""What breaks on the way between clients and servers, and what becomes of servers that are killed."""

import pytest

# So that a check that fails in one of these says why.
pytest.register_assert_rewrite(
    *(f"tests.faults.{name}" for name in ("cut_turn", "evidence", "long_turn", "losses", "records", "talks"))
)
