"""What the measurements make of a trace."""

import json
from typing import Any

import pytest

from tests.browser.long_tasks import tasks_of, work_of_frames

PAGE = {"pid": 1, "tid": 2}


def lasting(name: str, ts: int, dur: int, tdur: int, **args: object) -> dict[str, Any]:
    """An event of the page's main thread; times in microseconds."""
    return {**PAGE, "name": name, "ts": ts, "dur": dur, "tdur": tdur, "args": args}


def trace(*events: dict[str, Any]) -> bytes:
    main = {**PAGE, "name": "thread_name", "args": {"name": "CrRendererMain"}}
    return json.dumps({"traceEvents": [main, *events]}).encode()


def task(ts: int, dur: int, tdur: int, src_func: str = "Run") -> dict[str, Any]:
    return lasting("ThreadControllerImpl::RunTask", ts, dur, tdur, src_func=src_func)


def test_a_task_counts_once_and_what_the_driver_asked_for_does_not() -> None:
    driver = lasting("Receive mojo message", 101, 80_000, 70_000, tag="blink.mojom.DevToolsSession")
    other = {**task(0, 90_000, 90_000), "tid": 3}
    tasks = tasks_of(
        trace(
            task(100, 80_010, 70_010),
            driver,
            lasting("RunTask", 100_000, 60_010, 2_010),
            task(100_001, 60_000, 2_000),
            other,
        )
    )
    assert [(each.took, each.processor) for each in tasks] == [(60.0, 2.0)]


def test_a_frame_is_charged_with_what_follows_it() -> None:
    frame = "ScheduledActionSendBeginMainFrame"
    tasks = tasks_of(
        trace(
            task(0, 1_000, 1_000),
            task(2_000, 4_000, 3_000, frame),
            task(7_000, 2_000, 2_000),
            task(20_000, 1_000, 500, frame),
        )
    )
    assert work_of_frames(tasks) == pytest.approx([5.0, 0.5])
