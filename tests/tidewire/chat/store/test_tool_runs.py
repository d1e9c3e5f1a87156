"""The ledger of tools: a call is entered once, before it runs."""

import asyncio

import pytest

from tidewire.chat.models import Conversation
from tidewire.chat.store import Store, StoreError


async def test_what_was_entered_has_begun_and_nothing_else(store: Store, conversation: Conversation) -> None:
    await store.tool_runs.start(conversation.id, "one", [("1", "double"), ("2", "fail")])
    assert await store.tool_runs.started("one") == {"1", "2"}
    assert await store.tool_runs.started("two") == set()


async def test_a_call_is_entered_once_and_with_it_all_of_its_round_or_none(
    store: Store, conversation: Conversation
) -> None:
    await store.tool_runs.start(conversation.id, "one", [("1", "double")])
    with pytest.raises(StoreError):
        await store.tool_runs.start(conversation.id, "one", [("2", "double"), ("1", "double")])
    assert await store.tool_runs.started("one") == {"1"}
    await store.tool_runs.start(conversation.id, "two", [("1", "double")])


async def test_of_several_that_would_run_a_call_one_may(store: Store, conversation: Conversation) -> None:
    results = await asyncio.gather(
        *(store.tool_runs.start(conversation.id, "one", [("1", "double")]) for _ in range(10)),
        return_exceptions=True,
    )
    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, StoreError) for result in results) == 9


async def test_the_ledger_goes_with_its_conversation(store: Store, conversation: Conversation) -> None:
    await store.tool_runs.start(conversation.id, "one", [("1", "double")])
    await store.conversations.delete("ann", conversation.id)
    assert await store.tool_runs.started("one") == set()
    with pytest.raises(StoreError):
        await store.tool_runs.start(conversation.id, "two", [("1", "double")])
