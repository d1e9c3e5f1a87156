"""What clients are told of errors, and what the log is told."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from tests.tidewire.peer import Peer, data, error_of, started, stopped
from tidewire import (
    CallInfo,
    ConnectionInfo,
    Context,
    ErrorCode,
    ErrorReport,
    Next,
    Router,
    RPCError,
    log_error,
)
from tidewire.testing import CallError, Client
from tidewire_protocol import CODES

SECRET = "password=hunter2"


def failing_router() -> Router:
    """A router with something that fails in each phase of a call."""
    router = Router()

    async def break_off(call: CallInfo, next: Next) -> Any:
        raise RuntimeError(SECRET)

    @router.query
    async def query() -> None:
        raise RuntimeError(SECRET)

    @router.mutation
    def mutation() -> None:
        raise KeyError(SECRET)

    @router.query(use=[break_off])
    async def middleware() -> None: ...

    @router.query
    async def output() -> int:
        return cast("int", SECRET)

    @router.query
    async def encoding() -> Any:
        return {SECRET: object()}

    @router.query
    async def exit() -> None:
        class Exit(BaseException):
            pass

        raise Exit(SECRET)

    @router.query
    async def chained() -> None:
        try:
            raise RuntimeError(SECRET)
        except RuntimeError as error:
            raise RPCError("BAD_GATEWAY", "the upstream failed") from error

    @router.subscription
    async def setup() -> AsyncIterator[int]:
        raise RuntimeError(SECRET)

    @router.subscription
    async def stream() -> AsyncIterator[int]:
        yield 1
        raise RuntimeError(SECRET)

    @router.subscription
    async def cleanup() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            raise RuntimeError(SECRET)

    @router.subscription
    async def event() -> AsyncIterator[int]:
        yield cast("int", SECRET)

    return router


# ---------- unknown exceptions


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("query", "query"),
        ("mutation", "mutation"),
        ("query", "middleware"),
        ("query", "exit"),
        ("subscription", "setup"),
        ("subscription", "stream"),
        ("subscription", "cleanup"),
    ],
)
async def test_an_unknown_exception_is_in_the_log_and_never_in_a_frame(
    kind: Any, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Peer(failing_router()) as peer:
        peer.call(kind, path)
        answer = await peer.frame()
        while "error" not in answer:
            answer = await peer.frame()
        await peer.all_frames()

    assert answer["error"] == {
        "message": "Internal server error",
        "code": -32603,
        "data": {"code": "INTERNAL_SERVER_ERROR", "httpStatus": 500, "path": path},
    }
    assert SECRET.encode() not in b"".join(peer.raw)
    assert f"{kind} {path} failed: INTERNAL_SERVER_ERROR: Internal server error" in caplog.text
    assert SECRET in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("path", ["output", "encoding", "chained"])
async def test_the_cause_of_an_error_is_in_the_log_and_never_in_a_frame(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Peer(failing_router()) as peer:
        peer.call("query", path)
        assert "error" in await peer.frame()
    assert SECRET.encode() not in b"".join(peer.raw)
    assert "Traceback" in caplog.text


async def test_a_stream_that_failed_is_over_and_others_go_on() -> None:
    router = failing_router()
    released = asyncio.Event()

    @router.subscription
    async def healthy() -> AsyncIterator[int]:
        yield 1
        await released.wait()
        yield 2

    async with Peer(router) as peer:
        peer.call("subscription", "healthy", id="h")
        assert await peer.frames(2) == [started("h"), data(1, id="h")]
        peer.call("subscription", "stream", id="s")
        frames = await peer.frames(4)
        assert frames[:2] == [started("s"), data(1, id="s")]
        assert error_of(frames[2]) == ("s", "INTERNAL_SERVER_ERROR", "Internal server error")
        assert frames[3] == stopped("s")
        released.set()
        assert await peer.frames(2) == [data(2, id="h"), stopped("h")]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_unknown_exception_of_the_context_is_in_the_log_and_never_in_a_frame(
    asynchronous: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def make(connection: ConnectionInfo) -> Context:
        raise RuntimeError(SECRET)

    async def make_later(connection: ConnectionInfo) -> Context:
        raise RuntimeError(SECRET)

    async with Peer(failing_router(), context=make_later if asynchronous else make) as peer:
        peer.call("query", "query")
        frames = await peer.frames(2)
        assert await peer.frame() is None

    assert [error_of(frame) for frame in frames] == [
        (None, "INTERNAL_SERVER_ERROR", "Internal server error"),
        (1, "INTERNAL_SERVER_ERROR", "Internal server error"),
    ]
    assert SECRET.encode() not in b"".join(peer.raw)
    assert "connection failed: INTERNAL_SERVER_ERROR" in caplog.text
    assert SECRET in caplog.text


# ---------- deliberate errors


@pytest.mark.parametrize("code", CODES)
async def test_a_deliberate_error_reaches_the_client_with_its_code_and_message(code: ErrorCode) -> None:
    router = Router()

    @router.query
    async def fail() -> None:
        raise RPCError(code, "plain words")

    async with Peer(router) as peer:
        peer.call("query", "fail")
        assert await peer.frame() == {
            "id": 1,
            "error": {
                "message": "plain words",
                "code": CODES[code].jsonrpc,
                "data": {"code": code, "httpStatus": CODES[code].http_status, "path": "fail"},
            },
        }


def test_a_code_that_trpc_does_not_have_is_refused_at_once() -> None:
    with pytest.raises(
        ValueError, match="'TEAPOT' is not a tRPC error code; it must be one of PARSE_ERROR, "
    ):
        RPCError(cast("ErrorCode", "TEAPOT"))


def test_the_message_is_the_code_unless_there_is_one() -> None:
    assert RPCError("NOT_FOUND").message == "NOT_FOUND"
    assert RPCError("NOT_FOUND", "").message == ""


async def test_a_subclass_of_rpc_error_reaches_the_client_as_well() -> None:
    class QuotaError(RPCError):
        def __init__(self, limit: int) -> None:
            super().__init__("TOO_MANY_REQUESTS", f"no more than {limit} a day")

    router = Router()

    @router.query
    async def fail() -> None:
        raise QuotaError(3)

    async with Client(router) as client:
        with pytest.raises(CallError, match="no more than 3 a day") as refused:
            await client.query("fail")
    assert refused.value.code == "TOO_MANY_REQUESTS"


# ---------- the log


async def test_a_mistake_of_the_client_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "tidewire")
    async with Peer(Router()) as peer:
        peer.call("query", "nowhere")
        await peer.frame()
        peer.send("{")
        await peer.frame()
    assert [(record.levelname, record.exc_info) for record in caplog.records] == [("INFO", None)] * 2
    assert caplog.messages[0] == 'query nowhere refused: NOT_FOUND: No "query"-procedure on path "nowhere"'
    assert caplog.messages[1].startswith("connection refused: PARSE_ERROR: ")


async def test_an_input_that_does_not_fit_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "tidewire")
    router = Router()

    @router.query
    async def greet(name: str) -> str:
        return name

    async with Peer(router) as peer:
        peer.call("query", "greet", {})
        await peer.frame()
    assert [(record.getMessage(), record.exc_info) for record in caplog.records] == [
        ("query greet refused: BAD_REQUEST: Object missing required field `name`", None)
    ]


def test_a_path_without_a_procedure_has_no_kind_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "tidewire")
    log_error(ErrorReport(error=RPCError("NOT_FOUND", "nothing here"), path="x"))
    assert caplog.messages == ["call x refused: NOT_FOUND: nothing here"]


async def test_a_deliberate_error_of_the_server_is_logged_with_its_cause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Peer(failing_router()) as peer:
        peer.call("query", "chained")
        await peer.frame()
    assert caplog.messages == ["query chained failed: BAD_GATEWAY: the upstream failed"]
    (record,) = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], RuntimeError)


# ---------- on_error


async def test_on_error_is_told_of_the_call_that_failed() -> None:
    reports: list[ErrorReport] = []
    async with Peer(failing_router(), context=lambda connection: "context", on_error=reports.append) as peer:
        peer.call("query", "query", {"a": 1})
        await peer.frame()
        peer.call("query", "nowhere", "input")
        await peer.frame()
        peer.send("{")
        await peer.frame()

    assert [(report.kind, report.path, report.context) for report in reports] == [
        ("query", "query", "context"),
        ("query", "nowhere", "context"),
        (None, None, None),
    ]
    assert [report.error.code for report in reports] == ["INTERNAL_SERVER_ERROR", "NOT_FOUND", "PARSE_ERROR"]
    assert reports[0].input == {"a": 1}
    assert str(reports[0].error.__cause__) == SECRET


async def test_an_on_error_that_fails_costs_nobody_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    def fail(report: ErrorReport) -> None:
        raise ValueError(SECRET)

    async with Peer(failing_router(), on_error=fail) as peer:
        peer.call("query", "query")
        assert error_of(await peer.frame()) == (1, "INTERNAL_SERVER_ERROR", "Internal server error")
        peer.send("{")
        assert error_of(await peer.frame())[:2] == (None, "PARSE_ERROR")
    assert caplog.messages == ["on_error failed"] * 2
    assert SECRET.encode() not in b"".join(peer.raw)


# ---------- error_formatter


async def test_the_error_formatter_changes_what_is_sent() -> None:
    def add(shape: dict[str, Any], report: ErrorReport) -> dict[str, Any]:
        shape["data"]["hint"] = f"{report.kind} {report.error.code}"
        return shape

    async with Peer(failing_router(), error_formatter=add) as peer:
        peer.call("query", "nowhere")
        assert (await peer.frame())["error"]["data"]["hint"] == "query NOT_FOUND"
        peer.send("{")
        assert (await peer.frame())["error"]["data"]["hint"] == "None PARSE_ERROR"


async def test_what_the_error_formatter_does_to_one_shape_does_not_show_in_the_next() -> None:
    def spoil(shape: dict[str, Any], report: ErrorReport) -> dict[str, Any]:
        hints = shape["data"].setdefault("hints", [])
        hints.append(report.path)
        return shape

    async with Peer(failing_router(), error_formatter=spoil) as peer:
        for _ in range(2):
            peer.call("query", "nowhere")
            assert (await peer.frame())["error"]["data"]["hints"] == ["nowhere"]


def raises(shape: dict[str, Any], report: ErrorReport) -> dict[str, Any]:
    raise ValueError(SECRET)


def has_no_json_form(shape: dict[str, Any], report: ErrorReport) -> dict[str, Any]:
    return {**shape, SECRET: object()}


@pytest.mark.parametrize("formatter", [raises, has_no_json_form])
async def test_an_error_formatter_that_fails_leaves_a_bare_error(
    formatter: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with Peer(failing_router(), error_formatter=formatter) as peer:
        peer.call("query", "nowhere")
        frame = await peer.frame()
        peer.send("{")
        without_id = await peer.frame()
    bare = {
        "code": -32603,
        "message": "Internal server error",
        "data": {"code": "INTERNAL_SERVER_ERROR", "httpStatus": 500},
    }
    assert [frame, without_id] == [{"id": 1, "error": bare}, {"id": None, "error": bare}]
    assert "The error formatter failed" in caplog.messages
    assert SECRET.encode() not in b"".join(peer.raw)


# ---------- cancellations that are not the call's


async def cancelled_elsewhere() -> None:
    """Await a task that somebody else cancels."""
    task = asyncio.create_task(asyncio.Event().wait())
    asyncio.get_running_loop().call_soon(task.cancel)
    await task


async def test_awaiting_a_task_that_was_cancelled_elsewhere_is_an_error_and_not_silence() -> None:
    router = Router()

    @router.query
    async def query() -> None:
        await cancelled_elsewhere()

    @router.mutation
    async def mutation() -> None:
        await cancelled_elsewhere()

    @router.subscription
    async def setup() -> AsyncIterator[int]:
        await cancelled_elsewhere()
        return cast("AsyncIterator[int]", None)

    @router.subscription
    async def stream() -> AsyncIterator[int]:
        await cancelled_elsewhere()
        yield 1

    internal = ("INTERNAL_SERVER_ERROR", "Internal server error")
    async with Peer(router) as peer:
        peer.call("query", "query", id=1)
        assert error_of(await peer.frame()) == (1, *internal)
        peer.call("mutation", "mutation", id=2)
        assert error_of(await peer.frame()) == (2, *internal)
        peer.call("subscription", "setup", id=3)
        assert error_of(await peer.frame()) == (3, *internal)
        peer.call("subscription", "stream", id=4)
        assert await peer.frame() == started(4)
        assert error_of(await peer.frame()) == (4, *internal)
        assert await peer.frame() == stopped(4)


async def test_a_context_that_awaited_a_cancelled_task_refuses_the_connection() -> None:
    async def make(connection: ConnectionInfo) -> None:
        await cancelled_elsewhere()

    async with Peer(failing_router(), context=make) as peer:
        peer.call("query", "query")
        assert [error_of(frame)[0] for frame in await peer.frames(2)] == [None, 1]
        assert await peer.frame() is None


async def test_a_procedure_that_cancels_itself_is_answered_with_an_error() -> None:
    router = Router()

    @router.query
    async def query() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    @router.subscription
    async def stream() -> AsyncIterator[int]:
        yield 1
        await query()

    async with Peer(router) as peer:
        peer.call("query", "query", id=1)
        assert error_of(await peer.frame()) == (1, "INTERNAL_SERVER_ERROR", "Internal server error")
        peer.call("subscription", "stream", id=2)
        assert await peer.frames(2) == [started(2), data(1, id=2)]
        assert error_of(await peer.frame()) == (2, "INTERNAL_SERVER_ERROR", "Internal server error")
        assert await peer.frame() == stopped(2)
