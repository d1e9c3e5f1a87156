"""The command line: `tidewire serve`."""

import importlib
import sys
from typing import Any

try:
    import click

    from .runner import serve as run
except ModuleNotFoundError as missing:
    sys.exit(
        f"tidewire: {missing.name} is not installed; install the server with: pip install 'tidewire[server]'"
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tidewire")
def cli() -> None:
    """Typed RPC with streaming subscriptions, and a chat server on top of it."""


@cli.command()
@click.argument("target", metavar="[MODULE:APP]", required=False)
@click.option("--host", envvar="HOST", help="Address to listen on.  [default: 127.0.0.1]")
@click.option(
    "--port", envvar="PORT", type=click.IntRange(0, 65535), help="0 picks a free one.  [default: 8000]"
)
def serve(target: str | None, host: str | None, port: int | None) -> None:
    """Serve the chat server, or the ASGI application APP of MODULE.

    The chat server takes its settings from the environment and from `.env`.
    """
    if target is None:
        _serve_chat(host, port)
    else:
        app = _load(target)
        run(
            app,
            host=host or "127.0.0.1",
            port=8000 if port is None else port,
            max_message_bytes=_max_message_bytes(app),
            log_level="info",
            announce=lambda url: click.echo(f"Tidewire is listening on {url}"),
        )


def _serve_chat(host: str | None, port: int | None) -> None:
    from .chat import Settings, SettingsError, create_chat_app

    try:
        settings = Settings.load()
        app = create_chat_app(settings)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error

    def announce(url: str) -> None:
        socket = url.replace("http", "ws", 1)
        click.echo(f"Tidewire is listening on {url} ({socket}/api/trpc, {app.state.chat.description})")

    run(
        app,
        host=host or settings.host,
        port=settings.port if port is None else port,
        max_message_bytes=settings.max_message_bytes,
        log_level=settings.log_level,
        announce=announce,
    )


def _load(target: str) -> Any:
    """Import `module:name`, with the working directory on the path."""
    module_name, _, name = target.partition(":")
    if not module_name or not name:
        raise click.ClickException(f"{target!r} does not say which application to serve; write MODULE:APP")
    sys.path.insert(0, "")
    try:
        app: Any = importlib.import_module(module_name)
        for part in name.split("."):
            app = getattr(app, part)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise click.ClickException(f"There is no module called {module_name}") from error
    except AttributeError as error:
        raise click.ClickException(f"The module {module_name} has no {name}") from error
    if not callable(app):
        raise click.ClickException(f"{target} is not an ASGI application; make one with create_app(router)")
    return app


def _max_message_bytes(app: Any) -> int:
    endpoint = getattr(getattr(app, "state", None), "endpoint", None)
    return 1 << 20 if endpoint is None else int(endpoint.dispatcher.max_message_bytes)


def main() -> None:
    """Run the command line."""
    cli(prog_name="tidewire")


if __name__ == "__main__":
    main()
