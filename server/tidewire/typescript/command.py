"""The command `tidewire typescript`."""

import shlex
from pathlib import Path
from typing import Any, get_args

import click

from ..router import Router
from ..targets import load
from . import TransformerName, TypeScriptError, generate


@click.command(short_help="Write AppRouter for the TypeScript client.")
@click.argument("target", metavar="MODULE:ROUTER")
@click.option("-o", "--output", default="-", metavar="FILE", help="Where to write; - prints.  [default: -]")
@click.option(
    "--transformer",
    type=click.Choice(get_args(TransformerName)),
    default="none",
    show_default=True,
    help="The one that the server is created with.",
)
@click.option("--check", is_flag=True, help="Write nothing; fail if FILE is not what would be written.")
def typescript(target: str, output: str, transformer: TransformerName, check: bool) -> None:
    """Write the type AppRouter of a router, for the stock TypeScript client."""
    if check and output == "-":
        raise click.UsageError("--check needs a file to compare with: add -o FILE")
    command = shlex.join(["tidewire", "typescript", target, "--transformer", transformer])
    try:
        text = generate(_load_router(target), transformer=transformer, command=command)
    except TypeScriptError as error:
        raise click.ClickException(str(error)) from error
    if output == "-":
        click.echo(text, nl=False)
    elif check:
        _compare(Path(output), text, f"{command} -o {shlex.quote(output)}")
    else:
        _write(Path(output), text)


def _load_router(target: str) -> Router:
    found: Any = load(target, wanted="which router to describe", write="MODULE:ROUTER")
    if not isinstance(found, Router):
        raise click.ClickException(f"{target} is not a Router")
    return found


def _compare(file: Path, text: str, command: str) -> None:
    try:
        written = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise click.ClickException(f"{file} cannot be read; write it with: {command}") from None
    if written != text:
        raise click.ClickException(f"{file} is stale; write it again with: {command}")


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, "utf-8", newline="\n")
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from error
