"""Log lines of `tidewire serve`."""

import subprocess
import sys

from tests.processes import server_environment

PROGRAM = """
import logging
from tidewire.runner.logs import set_up_logging
set_up_logging("{level}")
logging.getLogger("tidewire").info("ours")
logging.getLogger("openai").info("theirs")
logging.getLogger("tidewire").warning("our warning")
"""


def logged(level: str, before: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-c", before + PROGRAM.format(level=level)],
        env=server_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stderr


def test_our_lines_are_written_from_the_level_on_and_those_of_libraries_from_warning_on() -> None:
    assert [line.split(" ", 2)[2] for line in logged("info").splitlines()] == [
        "INFO tidewire: ours",
        "WARNING tidewire: our warning",
    ]
    assert len(logged("warning").splitlines()) == 1


def test_logging_that_is_set_up_already_is_left_alone() -> None:
    before = "import logging\nlogging.basicConfig(level='ERROR')\n"
    assert logged("info", before) == ""
