"""This project's library at work: the calls that have nothing to do with chat."""

import itertools
from collections.abc import AsyncIterator

from tidewire import Context, Router, create_app

router = Router()


@router.subscription
async def count(ctx: Context) -> AsyncIterator[int]:
    """Count as fast as the connection takes it."""
    for number in itertools.count():
        yield number


@router.query
async def double(ctx: Context, number: int) -> int:
    """Compute nearly nothing."""
    return number * 2


app = create_app(router)
