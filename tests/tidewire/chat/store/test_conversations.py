from datetime import UTC, timedelta, timezone
from itertools import chain, pairwise

import msgspec
import pytest

from tests.tidewire.chat.store.turns import Clock, NewTurn
from tidewire.chat.models import Conversation
from tidewire.chat.store import BadCursorError, ConversationBusyError, Store


async def all_pages(store: Store, owner: str, *, limit: int, search: str | None = None) -> list[list[str]]:
    pages: list[list[str]] = []
    cursor: str | None = None
    while True:
        page = await store.conversations.page(owner, limit=limit, cursor=cursor, search=search)
        pages.append([item.id for item in page.items])
        if (cursor := page.next_cursor) is None:
            return pages


async def titles(store: Store, search: str) -> set[str | None]:
    page = await store.conversations.page("ann", limit=50, search=search)
    return {item.title for item in page.items}


async def test_created_conversation_is_read_back_as_it_was(store: Store, clock: Clock) -> None:
    created = await store.conversations.create("ann", "Plans")
    assert created == Conversation(id=created.id, title="Plans", created_at=clock.now, updated_at=clock.now)
    assert await store.conversations.get("ann", created.id) == created


async def test_conversation_may_have_no_title(store: Store) -> None:
    created = await store.conversations.create("ann")
    found = await store.conversations.get("ann", created.id)
    assert found is not None
    assert found.title is None


async def test_times_come_back_in_utc_from_whatever_zone(store: Store, clock: Clock) -> None:
    moment = clock.now
    clock.now = moment.astimezone(timezone(timedelta(hours=5, minutes=45)))
    created = await store.conversations.create("ann")
    found = await store.conversations.get("ann", created.id)
    assert found is not None
    assert found.created_at == moment
    assert found.created_at.tzinfo is UTC


async def test_unknown_conversation_is_none(store: Store) -> None:
    assert await store.conversations.get("ann", "nope") is None
    assert await store.conversations.rename("ann", "nope", "x") is None
    assert await store.conversations.delete("ann", "nope") is False


async def test_conversation_of_another_owner_does_not_exist(store: Store, conversation: Conversation) -> None:
    assert await store.conversations.get("bob", conversation.id) is None
    assert await store.conversations.rename("bob", conversation.id, "mine") is None
    assert await store.conversations.delete("bob", conversation.id) is False
    assert (await store.conversations.page("bob", limit=10)).items == []
    assert await store.conversations.get("ann", conversation.id) == conversation


async def test_rename_moves_a_conversation_to_the_front(store: Store, clock: Clock) -> None:
    first = await store.conversations.create("ann", "first")
    clock.advance()
    second = await store.conversations.create("ann", "second")
    clock.advance()
    renamed = await store.conversations.rename("ann", first.id, "renamed")
    assert renamed is not None
    assert (renamed.title, renamed.updated_at, renamed.created_at) == ("renamed", clock.now, first.created_at)
    assert await all_pages(store, "ann", limit=10) == [[first.id, second.id]]


async def test_delete_takes_the_messages_along(
    store: Store, conversation: Conversation, new_turn: NewTurn
) -> None:
    user, answer = new_turn(conversation.id)
    await store.messages.begin_turn("ann", user, answer)
    await store.messages.save(msgspec.structs.replace(answer, status="ok"))
    assert await store.conversations.delete("ann", conversation.id) is True
    assert await store.conversations.get("ann", conversation.id) is None
    assert await store.messages.turn(user.turn_id) == []


async def test_delete_spares_a_conversation_whose_turn_is_not_the_callers(
    store: Store, conversation: Conversation, new_turn: NewTurn
) -> None:
    user, answer = new_turn(conversation.id)
    await store.messages.begin_turn("ann", user, answer)
    for turn_id in (None, "another"):
        with pytest.raises(ConversationBusyError) as caught:
            await store.conversations.delete("ann", conversation.id, turn_id)
        assert caught.value.turn_id == user.turn_id
    assert await store.conversations.delete("bob", conversation.id) is False
    assert await store.messages.turn(user.turn_id) == [user, answer]
    assert await store.conversations.delete("ann", conversation.id, user.turn_id) is True


async def test_list_is_newest_first_over_many_pages(store: Store, clock: Clock) -> None:
    created = []
    for _ in range(9):
        created.append((await store.conversations.create("ann")).id)
        clock.advance(0.000001)
    pages = await all_pages(store, "ann", limit=2)
    assert [len(page) for page in pages] == [2, 2, 2, 2, 1]
    assert list(chain.from_iterable(pages)) == created[::-1]


async def test_list_with_equal_times_gives_everyone_once(store: Store) -> None:
    created = {(await store.conversations.create("ann")).id for _ in range(9)}
    pages = await all_pages(store, "ann", limit=2)
    listed = list(chain.from_iterable(pages))
    assert set(listed) == created
    assert all(one > next_one for one, next_one in pairwise(listed))


async def test_full_last_page_has_no_cursor(store: Store) -> None:
    for _ in range(4):
        await store.conversations.create("ann")
    assert [len(page) for page in await all_pages(store, "ann", limit=2)] == [2, 2]


async def test_empty_list_is_one_empty_page(store: Store) -> None:
    assert await all_pages(store, "ann", limit=2) == [[]]


async def test_new_conversation_between_two_pages_shifts_nothing(store: Store, clock: Clock) -> None:
    created = []
    for _ in range(4):
        created.append((await store.conversations.create("ann")).id)
        clock.advance()
    page = await store.conversations.page("ann", limit=2)
    await store.conversations.create("ann")
    page = await store.conversations.page("ann", limit=2, cursor=page.next_cursor)
    assert [item.id for item in page.items] == created[1::-1]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("%", {"100% sure"}),
        ("_", {"snake_case"}),
        ("\\", {"back\\slash"}),
        ("/", {"this/that"}),
        ("SURE", {"100% sure"}),
        ("über", {"ÜBER allem"}),
        ("e_c", {"snake_case"}),
        ("0%s", set[str]()),
        ("'", {"it's"}),
        ("", {"100% sure", "snake_case", "back\\slash", "this/that", "ÜBER allem", "it's"}),
    ],
)
async def test_search_finds_substrings_of_titles_literally(
    store: Store, search: str, found: set[str]
) -> None:
    for title in ("100% sure", "snake_case", "back\\slash", "this/that", "ÜBER allem", "it's"):
        await store.conversations.create("ann", title)
    await store.conversations.create("bob", search)
    assert await titles(store, search) == found


async def test_search_looks_into_messages(store: Store, new_turn: NewTurn) -> None:
    for title, content in (("one", "Where is Zürich?"), ("two", "100%"), ("three", "100 times")):
        conversation = await store.conversations.create("ann", title)
        await store.messages.begin_turn("ann", *new_turn(conversation.id, content))
    assert await titles(store, "ZÜRICH") == {"one"}
    assert await titles(store, "0%") == {"two"}
    assert await titles(store, "100") == {"two", "three"}


async def test_search_pages_like_any_list(store: Store) -> None:
    wanted = {(await store.conversations.create("ann", f"plan {n}")).id for n in range(7)}
    await store.conversations.create("ann", "other")
    pages = await all_pages(store, "ann", limit=2, search="PLAN")
    assert [len(page) for page in pages] == [2, 2, 2, 1]
    assert set(chain.from_iterable(pages)) == wanted


@pytest.mark.parametrize(
    "cursor", ["", "x", "%%%", "é", "bm90IGpzb24", "WzEsMl0", "MQ", "bnVsbA", "A" * 5000]
)
async def test_made_up_cursor_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(BadCursorError, match="cursor"):
        await store.conversations.page("ann", limit=2, cursor=cursor)
