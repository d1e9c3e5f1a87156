"""Messages that are answered again."""

import msgspec
import pytest

from tests.tidewire.chat.store.turns import NewTurn
from tidewire.chat.events import TextDelta
from tidewire.chat.log import Written
from tidewire.chat.models import Conversation, Message, TextPart
from tidewire.chat.store import (
    ConversationBusyError,
    ConversationGoneError,
    DuplicateClientMessageError,
    MessageGoneError,
    Store,
)


@pytest.fixture
async def said(store: Store, conversation: Conversation, new_turn: NewTurn) -> list[Message]:
    """Two questions and their answers."""
    messages: list[Message] = []
    for name in ("one", "two"):
        user, answer = new_turn(conversation.id, name, client_message_id=name)
        await store.messages.begin_turn("ann", user, answer)
        answer = msgspec.structs.replace(answer, status="ok")
        await store.messages.save(answer)
        messages += user, answer
    return messages


@pytest.mark.parametrize("index", [0, 1], ids=["by the question", "by the answer"])
@pytest.mark.parametrize("text", [None, "edited"])
async def test_an_answer_takes_the_place_of_another_and_of_all_after_it(
    store: Store,
    conversation: Conversation,
    new_turn: NewTurn,
    said: list[Message],
    index: int,
    text: str | None,
) -> None:
    _, answer = new_turn(conversation.id)
    question, newest, is_titled = await store.messages.begin_again("ann", said[index].id, text, answer)
    expected = msgspec.structs.replace(said[0], turn_id=answer.turn_id)
    if text is not None:
        expected = msgspec.structs.replace(expected, content=text, parts=[TextPart(content=text)])
    assert (question, newest.number, is_titled) == (expected, 0, False)
    assert await store.messages.history(conversation.id, limit=10) == [question, answer]
    assert await store.messages.turn(answer.turn_id) == [question, answer]


async def test_the_last_answer_can_be_replaced_alone(
    store: Store, conversation: Conversation, new_turn: NewTurn, said: list[Message]
) -> None:
    _, answer = new_turn(conversation.id)
    question, *_ = await store.messages.begin_again("ann", said[3].id, None, answer)
    assert await store.messages.history(conversation.id, limit=10) == [*said[:2], question, answer]


async def test_what_is_not_in_the_conversation_is_not_found(
    store: Store, conversation: Conversation, new_turn: NewTurn, said: list[Message]
) -> None:
    other = await store.conversations.create("ann")
    _, answer = new_turn(other.id)
    for message_id in (said[0].id, "nope"):
        with pytest.raises(MessageGoneError):
            await store.messages.begin_again("ann", message_id, None, answer)
    with pytest.raises(ConversationGoneError):
        await store.messages.begin_again("ann", said[0].id, None, new_turn("gone")[1])
    assert await store.messages.history(conversation.id, limit=10) == said
    assert await store.messages.history(other.id, limit=10) == []


async def test_a_request_that_is_known_is_refused_and_changes_nothing(
    store: Store, conversation: Conversation, new_turn: NewTurn, said: list[Message]
) -> None:
    _, answer = new_turn(conversation.id)
    again = msgspec.structs.replace(answer, client_message_id="two")
    with pytest.raises(DuplicateClientMessageError):
        await store.messages.begin_again("ann", said[0].id, None, again)
    assert await store.messages.history(conversation.id, limit=10) == said


async def test_an_id_is_refused_also_when_what_was_sent_under_it_is_gone(
    store: Store, conversation: Conversation, new_turn: NewTurn, said: list[Message]
) -> None:
    _, first = new_turn(conversation.id)
    first = msgspec.structs.replace(first, client_message_id="again", status="ok")
    await store.messages.begin_again("ann", said[0].id, None, first)
    _, second = new_turn(conversation.id)
    second = msgspec.structs.replace(second, status="ok")
    question, *_ = await store.messages.begin_again("ann", said[0].id, None, second)
    for sent_as in ("one", "two", "again"):
        user, answer = new_turn(conversation.id, client_message_id=sent_as)
        with pytest.raises(DuplicateClientMessageError):
            await store.messages.begin_turn("ann", user, answer)
        again = msgspec.structs.replace(answer, client_message_id=sent_as)
        with pytest.raises(DuplicateClientMessageError):
            await store.messages.begin_again("ann", said[0].id, None, again)
    assert await store.messages.history(conversation.id, limit=10) == [question, second]
    # The message that is still there belongs to its newest answer.
    assert await store.messages.turn_sent_as(conversation.id, "one") == second.turn_id
    assert await store.messages.turn_sent_as(conversation.id, "two") == said[2].turn_id
    assert await store.messages.turn_sent_as(conversation.id, "again") == first.turn_id


async def test_nothing_begins_while_a_turn_is_under_way(
    store: Store, conversation: Conversation, new_turn: NewTurn, said: list[Message]
) -> None:
    user, answer = new_turn(conversation.id)
    await store.messages.begin_turn("ann", user, answer)
    assert await store.messages.turn_under_way(conversation.id) == user.turn_id
    for begin in (
        store.messages.begin_again("ann", said[0].id, None, new_turn(conversation.id)[1]),
        store.messages.begin_turn("ann", *new_turn(conversation.id)),
    ):
        with pytest.raises(ConversationBusyError) as caught:
            await begin
        assert caught.value.turn_id == user.turn_id
    await store.messages.save(msgspec.structs.replace(answer, status="ok"))
    assert await store.messages.turn_under_way(conversation.id) is None


async def test_nothing_begins_before_the_last_turn_has_said_complete(
    store: Store, conversation: Conversation, new_turn: NewTurn, said: list[Message]
) -> None:
    await store.events.write([Written.of(conversation.id, 1, said[3].turn_id, TextDelta(content="half"))])
    assert await store.messages.turn_under_way(conversation.id) == said[3].turn_id
    with pytest.raises(ConversationBusyError):
        await store.messages.begin_turn("ann", *new_turn(conversation.id))
