"""The loops that the transport runs on: uvloop in the server, asyncio's own where there is no uvloop."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Both."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
