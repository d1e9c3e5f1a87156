"""Threads for synchronous tools: bounded, and never waited for longer than wanted."""

import asyncio
import contextvars
import threading

import pytest

from tidewire.chat.tools.threads import ToolThreads


async def test_a_call_returns_what_the_function_returns_from_another_thread() -> None:
    assert await ToolThreads().run(threading.get_ident) != threading.get_ident()


async def test_a_call_sees_the_callers_context_variables() -> None:
    variable = contextvars.ContextVar("variable", default="outside")
    variable.set("inside")

    assert await ToolThreads().run(variable.get) == "inside"


async def test_an_error_passes_through() -> None:
    def fail() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        await ToolThreads().run(fail)


async def test_threads_are_reused_once_there_are_as_many_as_allowed() -> None:
    threads = ToolThreads(limit=2)

    idents = {await threads.run(threading.get_ident) for _ in range(10)}

    assert len(idents) <= 2


async def test_a_call_waits_for_its_place_and_never_begins_if_cancelled_before() -> None:
    threads, release, began = ToolThreads(limit=1), threading.Event(), threading.Event()
    first = asyncio.create_task(threads.run(release.wait))
    second = asyncio.create_task(threads.run(began.set))
    third = asyncio.create_task(threads.run(lambda: "third"))
    await asyncio.sleep(0)  # Each has taken its place in the queue.

    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    release.set()

    assert await first
    assert await third == "third"
    assert not began.is_set()
