"""Applications for `tidewire serve` in the tests beside this file."""

import asyncio
from collections.abc import AsyncIterator

from tidewire import ConnectionInfo, Router, RPCError, create_app

router = Router()


@router.query
async def ping() -> str:
    return "pong"


@router.mutation
async def length(input: str) -> int:
    return len(input)


@router.mutation
async def save() -> None:
    await asyncio.sleep(0.2)
    print("saved", flush=True)


@router.subscription
async def endless() -> AsyncIterator[str]:
    while True:
        yield "x" * 1000


@router.subscription
async def wait() -> AsyncIterator[int]:
    try:
        await asyncio.Event().wait()
        yield 1
    finally:
        print("closed", flush=True)


async def refuse(connection: ConnectionInfo) -> None:
    raise RPCError("UNAUTHORIZED", "log in first")


app = create_app(router)
small = create_app(router, max_message_bytes=1000)
brief = create_app(router, shutdown_grace=2)
refusing = create_app(router, context=refuse)
