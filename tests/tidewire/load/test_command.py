"""The command `tidewire load`: what it refuses, and real runs against real servers."""

import asyncio
import json
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from click.testing import CliRunner

from tests.processes import ROOT, serve, server_environment, start_node, stop
from tests.tidewire.load import peers
from tidewire.cli import cli
from tidewire.load import resources
from tidewire.load.courtesy import refuse_strangers
from tidewire.load.plan import Plan, PlanError
from tidewire.load.probe import probe
from tidewire.load.target import find_addresses, is_loopback

APP: Final = "tests.tidewire.load.app:app"
SECONDS: Final = 60.0


class Ended(NamedTuple):
    status: int | None
    stdout: str
    stderr: str

    @property
    def report(self) -> Any:
        return json.loads(self.stdout)


# For each test, as its event loop has to read what the server logs: one that nobody reads stands still.
@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serve(APP) as server:
        yield server.url.replace("http", "ws", 1) + "/api/trpc"


async def start(*arguments: str) -> Process:
    command = [sys.executable, "-m", "tidewire", "load", *arguments]
    return await asyncio.create_subprocess_exec(
        *command, stdout=PIPE, stderr=PIPE, cwd=ROOT, env=server_environment() | {"COLUMNS": "100"}
    )


async def load(*arguments: str) -> Ended:
    return await finish(await start(*arguments))


async def finish(process: Process) -> Ended:
    try:
        async with asyncio.timeout(SECONDS):
            stdout, stderr = await process.communicate()
    finally:
        await stop(process)
    return Ended(process.returncode, stdout.decode(), stderr.decode())


# What is refused before anything is sent.

WS: Final = "ws://127.0.0.1:9/"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["http://127.0.0.1:8000/api/trpc"],
            "is for HTTP; the WebSocket is probably at ws://127.0.0.1:8000/api",
        ),
        (["127.0.0.1:8000"], "is not the URL of a WebSocket"),
        (["ws://"], "is not the URL of a WebSocket"),
        (["ws://[::1/"], "is not a URL"),
        (["ws://127.0.0.1:99999/"], "is not a URL"),
        (["ws://nowhere.invalid/"], "The host nowhere.invalid is not known"),
        ([WS, "--sockets", "0"], "--sockets must be from 1 to 100,000"),
        ([WS, "--sockets", "99999999"], "--sockets must be from 1 to 100,000, not 99,999,999"),
        ([WS, "--calls", "-1"], "--calls must be from 1"),
        ([WS, "--sockets", "50000", "--calls", "1000"], "50,000,000 open calls"),
        ([WS, "--rate", "nan"], "--rate must be from 0.01"),
        ([WS, "--rate", "inf"], "--rate must be from 0.01"),
        ([WS, "--duration", "1e9"], "--duration must be from 0.1 to 3,600"),
        ([WS, "--ramp", "11"], "--ramp must be from 0 to 10"),
        ([WS, "--drop-all-every", "0"], "--drop-all-every must be from 0.1"),
        ([WS, "--workers", "1000"], "--workers must be from 1 to 64"),
        ([WS, "--workers", "2"], "need at least 2 sockets"),
        ([WS, "--repeat", "--rate", "1"], "leave one out"),
        ([WS, "--input", "{"], "--input is not JSON"),
        ([WS, "--input", "\udcff"], "--input is not UTF-8"),
        ([WS, "--input", "{setup.id}"], "--setup-path"),
        ([WS, "--setup-path", "a", "--setup-input", "]"], "--setup-input is not JSON"),
        ([WS, "--setup-input", "1"], "--setup-input needs --setup-path"),
        ([WS, "--connection-params", '{"a":1}'], "--connection-params is not a JSON object of strings"),
        ([WS, "--header", "nocolon"], "--header 'nocolon' is not of the form"),
        ([WS, "--header", "a: b\r\nc: d"], "holds control characters"),
        ([WS, "--path", ""], "--path is empty"),
        ([WS, "--json", "no/such/file"], "no/such/file cannot be written"),
        ([WS, "--html", "."], ". cannot be written"),
        ([WS], "nothing listens there"),
    ],
)
def test_bad_input_gets_one_sentence(arguments: list[str], sentence: str) -> None:
    ended = CliRunner().invoke(cli, ["load", "--path", "a", *arguments])
    assert ended.exit_code in (1, 2)
    assert sentence in ended.stderr
    assert ended.stderr.strip().splitlines()[-1].startswith("Error: ")
    assert ended.stdout == ""


STRANGER: Final = Plan(url="ws://example.com/", path="a", sockets=5)


@pytest.mark.parametrize(
    "changes",
    [
        {"sockets": 51, "ramp": 10.0},
        {"calls": 41},
        {"rate": 51.0},
        {"kind": "query"},
        {"repeat": True},
        {"sockets": 50},
        {"drop_all_every": 0.2},
        {"duration": 61.0},
    ],
)
def test_a_host_that_may_not_be_ours_gets_little(changes: dict[str, Any]) -> None:
    fields = {name: getattr(STRANGER, name) for name in STRANGER.__struct_fields__}
    refuse_strangers(STRANGER)
    with pytest.raises(PlanError, match="--i-own-this-host"):
        refuse_strangers(Plan(**(fields | changes)))


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ([("127.0.0.1", 1)], True),
        ([("127.9.9.9", 1), ("::1", 1)], True),
        ([("::1", 1), ("192.0.2.1", 1)], False),
        ([("0.0.0.0", 1)], False),
        ([("fe80::1%eth0", 1)], False),
    ],
)
def test_loopback_is_judged_by_every_address(addresses: list[tuple[str, int]], expected: bool) -> None:
    assert is_loopback(addresses) is expected


def test_too_few_descriptors_or_ports_are_explained(tmp_path: Path) -> None:
    plan = Plan(url=WS, path="a", sockets=100_000)
    with pytest.raises(PlanError, match=r"ip_local_port_range='1024 65535'"):
        resources.check_ports(plan.sockets, 28_232)
    assert re.search(
        r"need 100,064 .* limit is 1,024: raise it \(ulimit",
        resources.descriptors_missing(plan, 100_064, 1024),
    )
    (tmp_path / "range").write_text("32768\t60999\n")
    assert resources.ephemeral_ports(tmp_path / "range") == 28_232
    assert resources.ephemeral_ports(tmp_path / "none") == resources.PORTS_ELSEWHERE


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
async def test_the_soft_limit_is_raised_to_the_hard_one_and_no_further(url: str) -> None:
    shell = 'ulimit -Sn 40; ulimit -Hn 160; exec "$0" -m tidewire load "$@"'
    arguments = [url, "--path", "tick", "--duration", "2", "--json", "-", "--sockets"]
    few, many = await asyncio.gather(
        *(
            asyncio.create_subprocess_exec(
                "sh", "-c", shell, sys.executable, *arguments, sockets, stdout=PIPE, stderr=PIPE, cwd=ROOT
            )
            for sockets in ("90", "100")
        )
    )
    # On a busy machine not all of the 90, but more than the soft limit has room for.
    assert (await finish(few)).report["totals"]["connections"] > 40
    refused = await finish(many)
    assert refused.status == 1
    assert "need 164 file descriptors in each process, and the limit is 160" in refused.stderr


# Servers that are none.


@pytest.mark.parametrize(
    ("talk", "sentence"),
    [
        (peers.not_found, "answers the handshake with 404 Not Found"),
        (peers.page, "answers the handshake with 200 OK"),
        (peers.mail, "answers, but not in HTTP/1.1"),
        (peers.hang_up, "closed the connection without an answer"),
        (peers.say_nothing, "does not answer the handshake within 0.2 s"),
        (peers.wrong_key, "its handshake is wrong"),
    ],
)
async def test_what_is_no_websocket_gets_one_sentence(talk: peers.Talk, sentence: str) -> None:
    async with peers.tcp_peer(talk) as address:
        plan = Plan(url=address, addresses=find_addresses(address), path="a", connect_timeout=0.2)
        with pytest.raises(PlanError, match=re.escape(address)) as refused:
            await probe(plan)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("talk", "sentence"),
    [
        (peers.echo, "answers PING with PING"),
        (peers.silence, "says nothing for 0.2 s"),
        (peers.binary, "a binary message"),
        (peers.close_at_once, "closed the connection: 1013"),
    ],
)
async def test_a_websocket_that_is_not_trpc_gets_one_sentence(
    talk: Any, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidewire.load.probe.ANSWER_SECONDS", 0.2)
    async with peers.websocket_peer(talk) as address:
        with pytest.raises(PlanError, match=re.escape(address)) as refused:
            await probe(Plan(url=address, addresses=find_addresses(address), path="a"))
    assert sentence in str(refused.value)


async def test_a_server_that_drops_every_call_is_given_up() -> None:
    async with peers.websocket_peer(peers.drop_calls) as address:
        ended = await load(address, "--path", "a", "--sockets", "20", "--ramp", "0", "--duration", "30")
    assert (ended.status, ended.stdout) == (1, "")
    assert re.search(
        r"^Error: ws://\S+: nothing worked; \d+ times CONNECTION_LOST \(.+\)\.$", ended.stderr, re.MULTILINE
    )


async def test_an_unknown_path_is_given_up(url: str) -> None:
    ended = await load(url, "--path", "nope", "--kind", "query", "--duration", "600")
    assert (ended.status, ended.stdout) == (1, "")
    assert re.search(r"^Error: .+ times NOT_FOUND \(No .+\); is --path right\?$", ended.stderr, re.MULTILINE)


async def test_refused_connection_params_get_one_sentence(url: str) -> None:
    ended = await load(url, "--path", "tick", "--connection-params", '{"token":"wrong"}')
    assert ended.status == 1
    assert "UNAUTHORIZED (No such token); see --connection-params" in ended.stderr


# Runs.


async def test_storms_lose_nothing_and_every_worker_counts(url: str, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    ended = await load(
        *(url, "--path", "tick", "--sockets", "6", "--calls", "2", "--workers", "2", "--duration", "1.5"),
        *("--drop-all-every", "0.5", "--contiguous-ids", "--json", "-", "--html", str(page)),
        *("--connection-params", '{"token":"right"}', "--header", "X-A: b", "--origin", "http://127.0.0.1"),
    )
    assert ended.status == 0, ended.stderr
    report, totals = ended.report, ended.report["totals"]
    assert (totals["sent"], totals["started"]) == (12, 12)
    assert totals["reconnections"] >= 12
    assert totals["order"] == {"tracked": totals["events"], "duplicated": 0, "reordered": 0, "missing": 0}
    assert (report["lost"], report["failures"]) == (0, {})
    assert report["latencies"]["gap"]["count"] == totals["events"] - 12
    assert report["latencies"]["resume"]["count"] >= 24
    assert "token" not in ended.stdout
    html = page.read_text("utf-8")
    assert html.count("<svg") == 5
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "")


async def test_finite_subscriptions_end_the_run_before_its_time(url: str) -> None:
    arguments = ["--path", "count", "--input", '{"to": 500}', "--sockets", "3", "--duration", "600"]
    ended = await load(url, *arguments)
    assert ended.status == 0, ended.stderr
    assert re.search(r"^ events +1,500 ", ended.stdout, re.MULTILINE)
    assert re.search(r"^ subscriptions completed +3 ", ended.stdout, re.MULTILINE)
    assert re.search(r"^ +lost +not judged", ended.stdout, re.MULTILINE)


async def test_careless_servers_are_found_out(url: str) -> None:
    ended = await load(url, "--path", "careless", "--contiguous-ids", "--json", "-")
    assert ended.status == 3
    assert ended.report["totals"]["order"] == {
        "tracked": 6,
        "duplicated": 1,
        "reordered": 1,
        "missing": 1,
    }


async def test_an_open_loop_makes_every_call_and_uses_the_answer_to_the_setup(url: str) -> None:
    ended = await load(
        *(url, "--path", "needs", "--kind", "query", "--rate", "100", "--sockets", "4", "--duration", "1"),
        *("--setup-path", "create", "--input", '{"text": "{setup.id}", "number": {setup.nested.number}}'),
        *("--json", "-"),
    )
    assert ended.status == 0, ended.stderr
    totals = ended.report["totals"]
    assert totals["sent"] == totals["answered"] > 0
    assert ended.report["latencies"]["lateness"]["count"] == totals["sent"]


async def test_ctrl_c_ends_with_the_report_so_far(url: str) -> None:
    # Plain lines come while it runs, so the first of them says that there is something to interrupt.
    process = await start(url, "--path", "tick", "--duration", "600", "--json", "-")
    assert process.stderr is not None
    async with asyncio.timeout(SECONDS):
        assert b"events/s" in await process.stderr.readline()
    process.send_signal(signal.SIGINT)
    ended = await finish(process)
    assert ended.status == 130
    assert ended.report["interrupted"] is True
    assert ended.report["totals"]["events"] > 0


@pytest.mark.usefixtures("node_modules")
async def test_the_servers_of_node_are_loaded_as_well() -> None:
    process = await start_node("reference/oracle.mjs", "--port", "0", "--transformer", "superjson")
    assert process.stdout is not None
    try:
        address = (await process.stdout.readline()).decode().strip().replace("http", "ws", 1)
        common = [address, "--transformer", "superjson", "--duration", "1", "--json", "-", "--sockets", "2"]
        calls, events, unknown = await asyncio.gather(
            load(*common, "--path", "echo", "--kind", "mutation", "--input", '{"a": [{n}]}', "--rate", "50"),
            load(*common, "--path", "sub", "--input", "{}", "--repeat"),
            load(*common, "--path", "nope"),
        )
    finally:
        await stop(process)
    assert calls.status == 0, calls.stderr
    assert calls.report["totals"]["answered"] == calls.report["totals"]["sent"] > 0
    assert events.status == 0, events.stderr
    totals = events.report["totals"]
    assert totals["events"] >= 3 * totals["completed"] > 0
    assert totals["order"]["duplicated"] == 0
    assert unknown.status == 1
    assert "NOT_FOUND" in unknown.stderr


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("rich", "tidewire.load.run"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich", None)
    ended = CliRunner().invoke(cli, ["load", WS, "--path", "a"])
    assert ended.exit_code == 1
    assert "pip install 'tidewire[load]'" in ended.stderr
