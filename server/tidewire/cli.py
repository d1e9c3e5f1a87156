"""The command line: `tidewire serve`, `tidewire typescript` and `tidewire load`."""

import asyncio
import os
import sys
from typing import Any

try:
    import click

    from .load.command import load as load_test
    from .targets import load
    from .typescript.command import typescript
except ModuleNotFoundError as _missing:
    sys.exit(
        f"tidewire: {_missing.name} is not installed; install the server with: pip install 'tidewire[server]'"
    )


PORT_MAX = 65535


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tidewire")
def cli() -> None:
    """Typed RPC with streaming subscriptions, and a chat server on top of it."""


cli.add_command(typescript)
cli.add_command(load_test)


@cli.command()
@click.argument("target", metavar="[MODULE:APP]", required=False)
@click.option("--host", help="Address to listen on.  [env: HOST; default: 127.0.0.1]")
@click.option(
    "--port", type=click.IntRange(0, PORT_MAX), help="0 picks a free one.  [env: PORT; default: 8000]"
)
def serve(target: str | None, host: str | None, port: int | None) -> None:
    """Serve the chat server, or the ASGI application APP of MODULE.

    The chat server takes its settings from the environment and from `.env`.
    """
    app = _new_chat() if target is None else _load_app(target)
    if _is_chat(app):
        _serve_chat(app, host, port)
    else:
        _run(
            app,
            host=host or os.environ.get("HOST") or "127.0.0.1",
            port=_port_of_environment() if port is None else port,
            max_message_bytes=_max_message_bytes(app),
            log_level="info",
            announce=lambda url: click.echo(f"Tidewire is listening on {url}"),
        )


def _port_of_environment() -> int:
    text = os.environ.get("PORT") or "8000"
    if not (text.isdecimal() and int(text) <= PORT_MAX):
        raise click.ClickException(f"PORT must be a whole number from 0 to {PORT_MAX}.")
    return int(text)


def _new_chat() -> Any:
    from .chat import Settings, SettingsError, create_chat_app

    try:
        return create_chat_app(Settings.load())
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


def _is_chat(app: Any) -> bool:
    """Whether it is the chat server, be it one with tools or a provider of its author's."""
    chat = getattr(getattr(app, "state", None), "chat", None)
    if chat is None:
        return False
    from .chat.server import ChatServer

    return isinstance(chat, ChatServer)


def _serve_chat(app: Any, host: str | None, port: int | None) -> None:
    from .chat import Settings, StoreError, upgrade_database

    settings: Settings = app.state.chat.settings
    try:
        # Before uvicorn starts: it would wrap what goes wrong in a traceback.
        asyncio.run(upgrade_database(settings.database_url))
    except StoreError as error:
        raise click.ClickException(str(error)) from error

    def announce(url: str) -> None:
        socket = url.replace("http", "ws", 1)
        click.echo(f"Tidewire is listening on {url} ({socket}/api/trpc, {app.state.chat.description})")

    _run(
        app,
        host=host or settings.host,
        port=settings.port if port is None else port,
        max_message_bytes=settings.max_message_bytes,
        log_level=settings.log_level,
        announce=announce,
    )


def _run(app: Any, **options: Any) -> None:
    """Serve `app`; what serves is imported here, since the other commands do without."""
    try:
        from .runner import ListenError, serve
    except ModuleNotFoundError as missing:
        raise click.ClickException(
            f"{missing.name} is not installed; install the server with: pip install 'tidewire[server]'"
        ) from missing
    try:
        serve(app, **options)
    except ListenError as error:
        raise click.ClickException(str(error)) from error


def _load_app(target: str) -> Any:
    app = load(target, wanted="which application to serve", write="MODULE:APP")
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
