"""The provider under test, connected to the fake upstream."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.upstream import Upstream
from tidewire.chat.providers import OpenAIProvider

API_KEY = "sk-a-very-secret-key"

Connect = Callable[..., OpenAIProvider]


@pytest.fixture
async def connect(upstream: Upstream) -> AsyncIterator[Connect]:
    """Makes providers that ask `upstream`, without retries unless told otherwise."""
    async with AsyncExitStack() as stack:

        def make(**settings: Any) -> OpenAIProvider:
            defaults: dict[str, Any] = {"api_key": API_KEY, "base_url": upstream.base_url, "max_retries": 0}
            provider = OpenAIProvider(default_model="some-model", **{**defaults, **settings})
            stack.push_async_callback(provider.close)
            return provider

        yield make


@pytest.fixture
def provider(connect: Connect) -> OpenAIProvider:
    return connect()
