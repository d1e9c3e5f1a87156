"""Served by a process of its own in `test_http_process.py`."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

from tidewire import ByteStream, Router, create_app

router = Router()
marks: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)


@router.query
async def fast() -> str:
    return "fast"


@router.query
async def until(mark: str) -> str:
    await marks[mark].wait()
    return mark


@router.mutation
async def mark(name: str) -> None:
    marks[name].set()


@router.query
async def hang(name: str) -> None:
    try:
        marks[f"{name} begun"].set()
        await asyncio.Event().wait()
    finally:
        marks[f"{name} cancelled"].set()


@router.query
async def tasks() -> int:
    return len(asyncio.all_tasks())


@router.mutation
async def save(name: str) -> None:
    marks[f"{name} begun"].set()
    await marks[f"{name} go"].wait()
    marks[f"{name} done"].set()


@router.subscription
async def feed(name: str) -> AsyncIterator[str]:
    try:
        yield "ready"
        await marks[f"{name} go"].wait()
        yield "gone on"
        await asyncio.Event().wait()
    finally:
        marks[f"{name} closed"].set()


@router.mutation
async def size(input: ByteStream) -> int:
    total = 0
    async for chunk in input:
        total += len(chunk)
        marks["first bytes"].set()
    return total


app = create_app(router, max_message_bytes=1000, max_upload_bytes=8 << 20)
