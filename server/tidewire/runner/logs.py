"""Where log lines go, and which."""

import logging

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

CHATTY = ("httpx2", "httpcore2", "openai", "aiosqlite", "alembic")
"""They tell of every request or statement at INFO."""


def set_up_logging(level: str) -> None:
    """Write to stderr what is at least as severe as `level`; libraries only from WARNING on.

    Does nothing if the application has set logging up itself.
    """
    if logging.getLogger().handlers:
        return
    logging.basicConfig(level=level.upper(), format=FORMAT)
    for name in CHATTY:
        logging.getLogger(name).setLevel("ERROR" if level == "error" else "WARNING")
