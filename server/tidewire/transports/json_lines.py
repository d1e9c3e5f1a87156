"""A batch as JSON lines: each answer is sent when it is there, and so is each part of it."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable
from itertools import count
from typing import Any

from tidewire_protocol import jsonl

from .. import calls
from ..outbox import Outbox
from .request import CallSet


class LineWriter:
    """Writes the lines of one answer; a chunk's lines come from a task of its own.

    Args:
        group: runs those tasks, and has ended when all lines are written.
    """

    def __init__(self, call_set: CallSet, outbox: Outbox, group: asyncio.TaskGroup) -> None:
        self._calls = call_set
        self._outbox = outbox
        self._group = group
        self._numbers = count()

    def write_head(self, size: int) -> None:
        """Begin: announce a chunk for each of `size` calls, and run them."""
        chunks = [self._start(index, self._answer(index)) for index in range(size)]
        self._put(jsonl.head(chunks))

    async def _answer(self, index: int) -> Any:
        """Settle a call's chunk. The nesting is that of the reference, which clients expect."""
        try:
            result = await self._calls.run(index)
        except Exception as error:
            return {"error": self._calls.error_shape(error, index)}
        return {"result": _resolved({"data": _resolved(result)})}

    def _start(self, index: int, promise: Awaitable[Any]) -> int:
        chunk = next(self._numbers)
        self._group.create_task(self._settle(index, chunk, promise))
        return chunk

    def _announce(self, index: int, value: Any) -> tuple[jsonl.ChunkKind, int] | None:
        if inspect.isawaitable(value):
            return jsonl.ChunkKind.PROMISE, self._start(index, value)
        if calls.is_stream(value):
            chunk = next(self._numbers)
            self._group.create_task(self._iterate(index, chunk, value))
            return jsonl.ChunkKind.ITERABLE, chunk
        return None

    async def _settle(self, index: int, chunk: int, promise: Awaitable[Any]) -> None:
        try:
            await self._write(index, chunk, jsonl.FULFILLED, await promise)
        except (Exception, asyncio.CancelledError) as error:
            if calls.is_being_cancelled():
                raise
            await self._write_error(index, chunk, jsonl.REJECTED, error)

    async def _iterate(self, index: int, chunk: int, values: AsyncIterator[Any]) -> None:
        try:
            async for value in values:
                await self._write(index, chunk, jsonl.YIELDED, value)
            # A generator of Python's returns nothing.
            await self._outbox.room()
            self._put(jsonl.returned_line(chunk))
        except (Exception, asyncio.CancelledError) as error:
            if calls.is_being_cancelled():
                raise
            await self._write_error(index, chunk, jsonl.FAILED, error)
        finally:
            await calls.close_stream(values)

    async def _write(self, index: int, chunk: int, status: int, value: Any) -> None:
        # Many chunks may be settled at a time, so each waits for its turn; and only then is it
        # written, so that what it announces cannot overtake it.
        await self._outbox.room()
        self._put(jsonl.line(chunk, status, value, lambda part: self._announce(index, part)))

    async def _write_error(self, index: int, chunk: int, status: int, error: BaseException) -> None:
        await self._outbox.room()
        self._put(jsonl.error_line(chunk, status, self._calls.error_shape(error, index)))

    def _put(self, line: Any) -> None:
        encoded = self._calls.dispatcher.transformer.encode(line)
        assert encoded is not None
        self._outbox.put(encoded + b"\n")


async def _resolved(value: Any) -> Any:
    return value


async def produce_lines(call_set: CallSet, outbox: Outbox, size: int) -> None:
    """Run the calls of a batch, and put the lines of the answer into `outbox`, to the end."""
    try:
        async with asyncio.TaskGroup() as group:
            LineWriter(call_set, outbox, group).write_head(size)
    finally:
        outbox.close()
