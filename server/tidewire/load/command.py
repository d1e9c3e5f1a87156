"""The command `tidewire load`."""

import asyncio
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
import msgspec

from .plan import Kind, Plan, PlanError, Setup, TransformerName, check

if TYPE_CHECKING:
    from .report import Report

INTERRUPTED = 130
NOT_EXACT = 3


@click.command("load", short_help="Put load on a tRPC WebSocket server and measure it.")
@click.argument("url", metavar="ws://HOST:PORT/PATH")
@click.option("--path", required=True, help="The procedure, such as conversations.watch.")
@click.option("--input", metavar="JSON", help="Its input, a template; see above.")
@click.option("--kind", type=click.Choice(get_args(Kind)), default="subscription", show_default=True)
@click.option("--sockets", type=int, default=1, show_default=True, help="WebSockets to open.")
@click.option(
    "--calls",
    type=int,
    default=1,
    show_default=True,
    help="Calls open at a time on each socket: subscriptions, or queries that follow one another.",
)
@click.option("--rate", type=float, help="Calls a second, on all sockets in turn, whatever the answers do.")
@click.option("--repeat", is_flag=True, help="Subscribe again when a subscription has completed.")
@click.option("--duration", type=float, default=10.0, show_default=True, help="Seconds, at most 3600.")
@click.option(
    "--ramp", type=float, help="Seconds to open the sockets over.  [default: 1 for a thousand sockets]"
)
@click.option(
    "--drop-all-every",
    type=float,
    metavar="SECONDS",
    help="Cut all connections without a Close, reconnect, and resume each subscription after its last id.",
)
@click.option(
    "--contiguous-ids",
    is_flag=True,
    help="Ids of tracked events grow by one, so that a number left out is an event lost.",
)
@click.option("--setup-path", metavar="PATH", help="A mutation that each socket calls first.")
@click.option("--setup-input", metavar="JSON", help="Its input.")
@click.option(
    "--transformer", type=click.Choice(get_args(TransformerName)), default="none", show_default=True
)
@click.option("--connection-params", metavar="JSON", help="An object of strings.")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="May be repeated.")
@click.option("--origin", help="The page that a browser would say it is on.")
@click.option("--connect-timeout", type=float, default=10.0, show_default=True, help="Seconds.")
@click.option(
    "--workers", type=int, default=1, show_default=True, help="Processes; one takes a core at most."
)
@click.option("--json", "json_file", metavar="FILE", help="Write the report as JSON; - prints it.")
@click.option("--html", "html_file", metavar="FILE", help="Write the report as a page with charts.")
@click.option("--i-own-this-host", is_flag=True, help="Lift the limits for hosts that are not loopback.")
def load(**options: Any) -> None:
    """Put load on a tRPC WebSocket server, and measure connecting, answers and events.

    In JSON inputs {socket} is the socket's number, {call} that of the call on its socket, {n} a number
    that no two calls share, {run} a text that no two runs share, and {setup.id} a field of the answer to
    --setup-path. "{n}" gives a string, {n} alone a number.

    Without --rate the loop is closed: a call waits for the one before. With it the loop is open, and latency
    counts from when a call was due.

    Tracked events are duplicated when one subscription gets an id twice. Where ids end in a number
    (17, epoch.17) they are reordered when it falls. Numbers left out are events lost only with
    --contiguous-ids: ids may skip, such as where a server puts the events of a slow reader together.

    A host that is not loopback gets at most 50 sockets, 200 open calls, 50 calls and 20 connections a second,
    for 60 seconds, unless you say --i-own-this-host.

    The exit status is 1 if nothing worked, 3 if tracked events were lost, duplicated or reordered, and 130
    after Ctrl-C, which ends the run early with the report so far.
    """
    own = options.pop("i_own_this_host")
    json_file, html_file = options.pop("json_file"), options.pop("html_file")
    for file in (json_file, html_file):
        _check_writable(file)
    try:
        report = _run(_plan(**options), own=own)
    except PlanError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    _write(report, json_file, html_file)
    sys.exit(_status(report))


def _plan(
    *,
    headers: tuple[str, ...],
    connection_params: str | None,
    setup_path: str | None,
    setup_input: str | None,
    **options: Any,
) -> Plan:
    if setup_input is not None and setup_path is None:
        raise click.UsageError("--setup-input needs --setup-path")
    plan = Plan(
        **options,
        headers=[_header(text) for text in headers],
        connection_params=_params(connection_params),
        setup=None if setup_path is None else Setup(setup_path, setup_input),
        run=secrets.token_hex(4),
    )
    check(plan)
    return plan


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not (colon and name.isascii() and name.replace("-", "").replace("_", "").isalnum()):
        raise PlanError(f"--header {text!r} is not of the form 'NAME: VALUE'.")
    if not value.isprintable():
        raise PlanError(f"--header {name} holds control characters.")
    return name.strip(), value.strip()


def _params(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    try:
        return msgspec.json.decode(text.encode(), type=dict[str, str])
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise PlanError(f"--connection-params is not a JSON object of strings: {error}.") from error


def _run(plan: Plan, *, own: bool) -> "Report":
    try:
        from rich.console import Console

        from .courtesy import refuse_strangers
        from .resources import secure
        from .run import run
        from .target import find_addresses, is_loopback
    except ModuleNotFoundError as missing:
        raise click.ClickException(
            f"{missing.name} is not installed; install the load tester with: pip install 'tidewire[load]'"
        ) from missing
    addresses = find_addresses(plan.url)
    if not (own or is_loopback(addresses)):
        refuse_strangers(plan)
    secure(plan)
    return asyncio.run(run(msgspec.structs.replace(plan, addresses=addresses), Console(stderr=True)))


def _write(report: "Report", json_file: str | None, html_file: str | None) -> None:
    from rich.console import Console

    from .page import page
    from .report import verdict
    from .terminal import show

    if verdict(report) is None:
        show(report, Console(stderr=json_file == "-"))
    if json_file is not None:
        text = msgspec.json.format(msgspec.json.encode(_public(report)), indent=2).decode()
        click.echo(text) if json_file == "-" else _save(json_file, text + "\n")
    if html_file is not None:
        _save(html_file, page(report))


def _public(report: "Report") -> dict[str, Any]:
    """Leave out what a report must not give away, or says twice."""
    document: dict[str, Any] = msgspec.to_builtins(report, str_keys=True)
    for secret in ("headers", "connection_params", "addresses"):
        document["plan"].pop(secret)
    for repeated in ("failures", "latencies", "second", "seconds", "open_sockets", "open_calls", "over"):
        document["totals"].pop(repeated)
    return document


def _check_writable(file: str | None) -> None:
    """See before an hour of load, not after it, that its report has a place."""
    if file is None or file == "-":
        return
    path = Path(file)
    if (
        path.is_dir()
        or not path.parent.is_dir()
        or not os.access(path if path.exists() else path.parent, os.W_OK)
    ):
        raise click.ClickException(f"{file} cannot be written; give a file in a directory that exists.")


def _save(file: str, text: str) -> None:
    try:
        Path(file).write_text(text, "utf-8", newline="\n")
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from error


def _status(report: "Report") -> int:
    from .report import verdict

    in_vain = verdict(report)
    if in_vain is not None:
        raise click.ClickException(in_vain)
    if report.interrupted:
        return INTERRUPTED
    return 0 if report.is_exact else NOT_EXACT
