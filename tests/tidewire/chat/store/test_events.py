"""The log's entries in the database: numbers that never return, and reading by pages."""

from collections.abc import Sequence

import pytest

from tests.tidewire.chat.store.turns import NewTurn
from tidewire.chat.events import Complete, MessageEvent, Start, TextDelta, ToolCallComplete
from tidewire.chat.log import Entry, EventId, Kept, Written
from tidewire.chat.models import Conversation
from tidewire.chat.store import Store, StoreError


def word(content: str) -> TextDelta:
    return TextDelta(content=content)


END = Complete(message_id="m", status="ok")


def entries(
    conversation: Conversation, first: int, events: Sequence[MessageEvent], turn: str = "turn"
) -> list[Written]:
    return [Written.of(conversation.id, number, turn, event) for number, event in enumerate(events, first)]


async def read(
    store: Store, conversation: Conversation, after: int, *, limit: int = 100, max_size: int = 1 << 20
) -> list[Entry]:
    return await store.events.read(conversation.id, after, limit=limit, max_size=max_size)


def numbers(found: Sequence[Entry]) -> list[int]:
    return [entry.place.number for entry in found]


async def test_events_are_read_back_as_they_were(store: Store, conversation: Conversation) -> None:
    events: list[MessageEvent] = [
        Start(turn_id="turn", message_id="m", user_message_id="u", client_message_id="c", model="x"),
        word("é \u2028 \U0001f552 \0 '"),
        ToolCallComplete(
            tool_call_id="1",
            tool_name="f",
            args={"a": [1, None, 2.5]},
            result="r",
            is_error=True,
            duration_ms=3,
        ),
        END,
    ]
    written = entries(conversation, 1, events)
    await store.events.write(written)
    found = await read(store, conversation, 0)
    assert [entry.data for entry in found] == events
    assert [entry.place for entry in found] == [EventId(conversation.id[:8], n) for n in (1, 2, 3, 4)]
    assert [entry.size for entry in found] == [len(each.payload) for each in written]
    assert {entry.turn_id for entry in found} == {"turn"}


async def test_a_conversation_begins_at_zero_in_an_epoch_of_its_own(
    store: Store, conversation: Conversation
) -> None:
    other = await store.conversations.create("ann")
    assert await store.events.positions([other.id, "gone"]) == {other.id: 0}
    here, there = [await store.events.position(each.id) for each in (conversation, other)]
    assert (here.number, there.number) == (0, 0)
    assert here.epoch != there.epoch
    assert EventId.parse(str(here)) == here
    assert (await store.events.position("gone")).number == 0


async def test_a_group_of_several_conversations_is_written_whole_or_not_at_all(
    store: Store, conversation: Conversation
) -> None:
    other = await store.conversations.create("ann")
    await store.events.write(entries(conversation, 1, [word("a")]))
    with pytest.raises(StoreError):
        await store.events.write(
            [*entries(other, 1, [word("b")]), *entries(conversation, 1, [word("again")])]
        )
    assert await read(store, other, 0) == []
    await store.events.write([*entries(other, 1, [word("b")]), *entries(conversation, 2, [word("c")])])
    assert await store.events.positions([conversation.id, other.id, "gone"]) == {
        conversation.id: 2,
        other.id: 1,
    }


async def test_positions_of_more_conversations_than_a_statement_takes(store: Store) -> None:
    conversation = await store.conversations.create("ann")
    await store.events.write(entries(conversation, 1, [word("a")]))
    ids = [f"gone {number}" for number in range(2500)]
    assert await store.events.positions([*ids, conversation.id]) == {conversation.id: 1}
    assert await store.events.positions([]) == {}


@pytest.mark.parametrize(
    ("after", "limit", "max_size", "found"),
    [
        (0, 3, 10_000, [1, 2, 3]),
        (2, 3, 10_000, [3, 4, 5]),
        (4, 3, 10_000, [5, 6]),
        (6, 3, 10_000, []),
        (99, 3, 10_000, []),
        # Each is 135 characters long.
        (0, 10, 135, [1]),
        (0, 10, 136, [1, 2]),
        (0, 10, 500, [1, 2, 3, 4]),
        (3, 10, 1, [4]),
    ],
)
async def test_a_page_is_bounded_by_number_and_by_size(
    store: Store, conversation: Conversation, after: int, limit: int, max_size: int, found: list[int]
) -> None:
    written = entries(conversation, 1, [word("x" * 101)] * 6)
    assert {len(each.payload) for each in written} == {135}
    await store.events.write(written)
    assert numbers(await read(store, conversation, after, limit=limit, max_size=max_size)) == found


async def test_a_turn_begins_before_its_first_event(store: Store, conversation: Conversation) -> None:
    await store.events.write(entries(conversation, 1, [word("a"), END], "one"))
    await store.events.write(entries(conversation, 3, [word("b")], "two"))
    epoch = conversation.id[:8]
    begun = [await store.events.before(conversation.id, turn) for turn in ("one", "two", "three")]
    assert begun == [EventId(epoch, 0), EventId(epoch, 2), None]
    assert await store.events.before("gone", "one") is None


async def test_finished_turns_are_kept_oldest_first_and_open_ones_are_known(
    store: Store, conversation: Conversation
) -> None:
    one, two, three = [
        entries(conversation, first, [word("é"), *end], turn)
        for first, end, turn in ((1, [END], "b"), (3, [END], "a"), (5, [], "c"))
    ]
    await store.events.write([*one, *two, *three])
    sizes = [sum(len(each.payload) for each in turn) for turn in (one, two)]
    assert await store.events.kept() == [
        Kept(conversation.id, 2, sizes[0]),
        Kept(conversation.id, 4, sizes[1]),
    ]
    assert await store.events.open_turns() == [(conversation.id, "c")]


async def test_a_trimmed_turn_is_gone_and_its_numbers_never_return(
    store: Store, conversation: Conversation
) -> None:
    other = await store.conversations.create("ann")
    for each in (conversation, other):
        await store.events.write(entries(each, 1, [word("a"), END], "one"))
        await store.events.write(entries(each, 3, [word("b"), END], "two"))
    await store.events.trim([Kept(conversation.id, 2, 0)])
    assert numbers(await read(store, conversation, 0)) == [3, 4]
    assert await store.events.before(conversation.id, "one") is None
    await store.events.trim([Kept(conversation.id, 4, 0)])
    # As a trim that is repeated after a crash may.
    await store.events.trim([Kept(conversation.id, 2, 0)])
    assert await read(store, conversation, 0) == []
    assert (await store.events.position(conversation.id)).number == 4
    assert await store.events.positions([conversation.id, other.id]) == {conversation.id: 4, other.id: 4}
    assert numbers(await read(store, other, 0)) == [1, 2, 3, 4]
    await store.events.write(entries(conversation, 5, [word("c")], "three"))
    assert (await store.events.position(conversation.id)).number == 5


async def test_numbers_do_not_return_after_a_restart(url: str) -> None:
    store = await Store.open(url)
    conversation = await store.conversations.create("ann")
    await store.events.write(entries(conversation, 1, [word("a"), END]))
    await store.events.trim(await store.events.kept())
    await store.close()
    store = await Store.open(url)
    assert await store.events.position(conversation.id) == EventId(conversation.id[:8], 2)
    await store.close()


async def test_deleting_a_conversation_takes_its_events_and_nobody_elses(
    store: Store, conversation: Conversation
) -> None:
    other = await store.conversations.create("ann")
    for each in (conversation, other):
        await store.events.write(entries(each, 1, [word("a"), END]))
    await store.conversations.delete("bob", conversation.id)
    assert numbers(await read(store, conversation, 0)) == [1, 2]
    await store.conversations.delete("ann", conversation.id)
    assert await read(store, conversation, 0) == []
    await store.events.write(entries(conversation, 3, [word("late")]))
    await store.events.delete(conversation.id)
    assert await read(store, conversation, 0) == []
    assert numbers(await read(store, other, 0)) == [1, 2]


async def test_what_was_written_after_a_deletion_is_swept(store: Store, conversation: Conversation) -> None:
    other = await store.conversations.create("ann")
    await store.conversations.delete("ann", conversation.id)
    await store.events.write([*entries(conversation, 1, [word("late")]), *entries(other, 1, [word("a")])])
    await store.events.delete_orphans()
    assert await read(store, conversation, 0) == []
    assert await store.events.open_turns() == [(other.id, "turn")]


async def test_a_new_turn_is_told_the_newest_event(
    store: Store, conversation: Conversation, new_turn: NewTurn
) -> None:
    await store.events.write(entries(conversation, 1, [word("a"), END]))
    await store.events.trim(await store.events.kept())
    begun = await store.messages.begin_turn("ann", *new_turn(conversation.id))
    assert begun.position == await store.events.position(conversation.id)
    assert begun.position.number == 2
