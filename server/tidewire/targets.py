"""What `MODULE:NAME` on the command line stands for."""

import importlib
import sys
from typing import Any

import click


def load(target: str, *, wanted: str, write: str) -> Any:
    """Import `module:name`, with the working directory on the path.

    Args:
        target: as on the command line.
        wanted: which application to serve, for the message to somebody who did not say.
        write: `MODULE:APP`, for the same message.

    Raises:
        ClickException: there is no such module or name.
    """
    module_name, _, name = target.partition(":")
    if not module_name or not name:
        raise click.ClickException(f"{target!r} does not say {wanted}; write {write}")
    sys.path.insert(0, "")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise click.ClickException(f"There is no module called {module_name}") from error
    try:
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError as error:
        raise click.ClickException(f"The module {module_name} has no {name}") from error
    return found
