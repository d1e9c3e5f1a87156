import asyncio
from itertools import chain

import msgspec
import pytest
from sqlalchemy.exc import StatementError

from tests.tidewire.chat.store.turns import Clock, NewTurn
from tidewire.chat.models import (
    Conversation,
    Failure,
    Message,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    Usage,
)
from tidewire.chat.store import (
    BadCursorError,
    ConversationGoneError,
    DuplicateClientMessageError,
    Store,
    StoreError,
)


async def begin_turns(
    store: Store, conversation: Conversation, new_turn: NewTurn, count: int
) -> list[Message]:
    """All messages in order, every one with the same time."""
    begun: list[Message] = []
    for n in range(count):
        user, answer = new_turn(conversation.id, f"question {n}")
        await store.messages.begin_turn("ann", user, answer)
        answer = msgspec.structs.replace(answer, status="ok")
        await store.messages.save(answer)
        begun += user, answer
    return begun


async def test_begun_turn_holds_question_and_answer_in_order(
    store: Store, conversation: Conversation, new_turn: NewTurn
) -> None:
    user, answer = new_turn(conversation.id)
    await store.messages.begin_turn("ann", user, answer)
    assert await store.messages.turn(user.turn_id) == [user, answer]


async def test_begun_turn_moves_its_conversation_to_the_front(
    store: Store, conversation: Conversation, new_turn: NewTurn, clock: Clock
) -> None:
    clock.advance()
    other = await store.conversations.create("ann")
    clock.advance()
    await store.messages.begin_turn("ann", *new_turn(conversation.id))
    listed = (await store.conversations.page("ann", limit=2)).items
    assert [item.id for item in listed] == [conversation.id, other.id]
    assert listed[0].updated_at == clock.now


async def test_same_client_message_is_refused_and_leaves_no_trace(
    store: Store, conversation: Conversation, new_turn: NewTurn, clock: Clock
) -> None:
    first, answer = new_turn(conversation.id, client_message_id="c1")
    await store.messages.begin_turn("ann", first, answer)
    clock.advance()
    again, second_answer = new_turn(conversation.id, client_message_id="c1")
    with pytest.raises(DuplicateClientMessageError):
        await store.messages.begin_turn("ann", again, second_answer)
    assert await store.messages.history(conversation.id, limit=10) == [first, answer]
    untouched = await store.conversations.get("ann", conversation.id)
    assert untouched is not None
    assert untouched.updated_at == conversation.updated_at


async def test_only_one_of_many_simultaneous_duplicates_begins(
    store: Store, conversation: Conversation, new_turn: NewTurn
) -> None:
    turns = [new_turn(conversation.id, client_message_id="c1") for _ in range(20)]
    results = await asyncio.gather(
        *(store.messages.begin_turn("ann", *turn) for turn in turns), return_exceptions=True
    )
    assert sum(isinstance(result, DuplicateClientMessageError) for result in results) == 19
    assert len(await store.messages.history(conversation.id, limit=100)) == 2


async def test_client_message_id_may_recur_in_another_conversation(
    store: Store, conversation: Conversation, new_turn: NewTurn
) -> None:
    other = await store.conversations.create("ann")
    for place in (conversation, other):
        await store.messages.begin_turn("ann", *new_turn(place.id, client_message_id="c1"))
    found = await store.messages.turn_sent_as(other.id, "c1")
    assert found is not None
    assert [message.conversation_id for message in await store.messages.turn(found)] == [other.id] * 2


async def test_unknown_client_message_id_is_none(store: Store, conversation: Conversation) -> None:
    assert await store.messages.turn_sent_as(conversation.id, "c1") is None


async def test_turn_in_an_unknown_conversation_is_refused(store: Store, new_turn: NewTurn) -> None:
    user, answer = new_turn("nope")
    with pytest.raises(ConversationGoneError):
        await store.messages.begin_turn("ann", user, answer)
    assert await store.messages.turn(user.turn_id) == []


async def test_message_id_that_is_taken_is_a_store_error_and_nothing_is_stored(
    store: Store, conversation: Conversation, new_turn: NewTurn
) -> None:
    user, answer = new_turn(conversation.id)
    await store.messages.begin_turn("ann", user, answer)
    other_user, _ = new_turn((await store.conversations.create("ann")).id)
    with pytest.raises(StoreError):
        await store.messages.begin_turn("ann", other_user, answer)
    assert await store.messages.turn(other_user.turn_id) == []


async def test_saved_answer_is_read_back_whole(
    store: Store, conversation: Conversation, new_turn: NewTurn, clock: Clock
) -> None:
    user, answer = new_turn(conversation.id)
    await store.messages.begin_turn("ann", user, answer)
    clock.advance()
    done = msgspec.structs.replace(
        answer,
        status="error",
        content="It is noon. \u2028 \U0001f552",
        parts=[
            ReasoningPart(content="hm"),
            ToolCallPart(tool_call_id="t1", tool_name="clock", round=0, args={"zone": None}, result=[1, 2.5]),
            ToolCallPart(
                tool_call_id="t2", tool_name="sum", round=0, args="{broken", is_error=True, done=True
            ),
            TextPart(content="It is noon. \u2028 \U0001f552"),
            RefusalPart(content="no"),
        ],
        finish_reason="stop",
        usage=Usage(input_tokens=1, output_tokens=2, reasoning_tokens=3, estimated=False),
        error=Failure(code="TIMEOUT", message="too slow", retryable=True),
    )
    assert await store.messages.save(done) is True
    assert await store.messages.turn(user.turn_id) == [user, done]
    found = await store.conversations.get("ann", conversation.id)
    assert found is not None
    assert found.updated_at == clock.now


async def test_saving_into_a_deleted_conversation_is_false(
    store: Store, conversation: Conversation, new_turn: NewTurn
) -> None:
    user, answer = new_turn(conversation.id)
    await store.messages.begin_turn("ann", user, answer)
    await store.conversations.delete("ann", conversation.id, user.turn_id)
    assert await store.messages.save(answer) is False


async def test_unknown_turn_is_empty(store: Store) -> None:
    assert await store.messages.turn("nope") == []


async def test_pages_lead_from_the_newest_to_the_oldest(
    store: Store, conversation: Conversation, new_turn: NewTurn
) -> None:
    begun = await begin_turns(store, conversation, new_turn, 5)
    await begin_turns(store, await store.conversations.create("ann"), new_turn, 1)
    pages: list[list[Message]] = []
    cursor: str | None = None
    while not pages or cursor:
        page = await store.messages.page(conversation.id, limit=3, cursor=cursor)
        pages.insert(0, page.items)
        cursor = page.next_cursor
    assert [len(page) for page in pages] == [1, 3, 3, 3]
    assert list(chain.from_iterable(pages)) == begun


async def test_full_last_page_has_no_cursor(
    store: Store, conversation: Conversation, new_turn: NewTurn
) -> None:
    begun = await begin_turns(store, conversation, new_turn, 1)
    page = await store.messages.page(conversation.id, limit=2)
    assert (page.items, page.next_cursor) == (begun, None)


@pytest.mark.parametrize(
    "cursor", ["", "x", "é", "LTE", "bnVsbA", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "WyJhIiwxXQ"]
)
async def test_made_up_cursor_is_refused(store: Store, conversation: Conversation, cursor: str) -> None:
    with pytest.raises(BadCursorError, match="cursor"):
        await store.messages.page(conversation.id, limit=2, cursor=cursor)


async def test_history_is_the_newest_messages_oldest_first(
    store: Store, conversation: Conversation, new_turn: NewTurn
) -> None:
    begun = await begin_turns(store, conversation, new_turn, 3)
    assert await store.messages.history(conversation.id, limit=4) == begun[-4:]
    assert await store.messages.history(conversation.id, limit=100) == begun


async def test_turns_whose_answer_is_being_written_are_known(
    store: Store, conversation: Conversation, new_turn: NewTurn
) -> None:
    await begin_turns(store, conversation, new_turn, 1)
    user, answer = new_turn(conversation.id)
    await store.messages.begin_turn("ann", user, answer)
    assert await store.messages.streaming_turns() == [(conversation.id, user.turn_id)]
    await store.messages.save(msgspec.structs.replace(answer, status="stopped"))
    assert await store.messages.streaming_turns() == []


async def test_time_without_a_zone_is_refused(
    store: Store, conversation: Conversation, new_turn: NewTurn
) -> None:
    user, answer = new_turn(conversation.id)
    naive = msgspec.structs.replace(user, created_at=user.created_at.replace(tzinfo=None))
    with pytest.raises(StatementError, match="must have a time zone"):
        await store.messages.begin_turn("ann", naive, answer)
    assert await store.messages.turn(user.turn_id) == []


@pytest.mark.parametrize(
    ("limit", "max_size", "fitting"),
    [(50, 1 << 20, 4), (3, 1 << 20, 3), (50, 0, 1), (50, 99, 1), (50, 250, 2), (50, 1_200, 3), (0, 0, 1)],
)
async def test_the_newest_messages_that_fit_are_counted_and_one_in_any_case(
    store: Store, conversation: Conversation, new_turn: NewTurn, limit: int, max_size: int, fitting: int
) -> None:
    other = await store.conversations.create("ann")
    for question, answer in (("x" * 1_000, "y" * 1_000), ("x" * 100, "y" * 10)):
        for each in (conversation, other):
            user, begun = new_turn(each.id, question)
            await store.messages.begin_turn("ann", user, begun)
            ended = msgspec.structs.replace(begun, status="ok", parts=[TextPart(content=answer)])
            await store.messages.save(ended)
    assert await store.messages.fitting(conversation.id, limit=limit, max_size=max_size) == fitting
