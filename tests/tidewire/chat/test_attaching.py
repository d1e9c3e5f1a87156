"""Which calls start a turn, and which attach to one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest

from tests.tidewire.chat.house import House, read, said
from tests.tidewire.chat.scripted import text
from tidewire import RPCError, Tracked
from tidewire.chat.events import MessageEvent, Snapshot
from tidewire.chat.providers import Text

Ask = Callable[..., Awaitable[AsyncIterator[Tracked[MessageEvent]]]]


@pytest.fixture
async def asked(house: House) -> str:
    """The id of a message that has an answer."""
    house.provider.script(text("first answer"))
    await house.ask("Question")
    return (await house.messages())[0].id


@pytest.fixture(params=["send", "regenerate"])
def ask(request: pytest.FixtureRequest, house: House, asked: str) -> Ask:
    """Sends a message, or asks for another answer to one."""

    async def send(
        client_message_id: str | None = None, after: str | None = None
    ) -> AsyncIterator[Tracked[MessageEvent]]:
        return await house.send("Another", client_message_id, after)

    async def regenerate(
        client_message_id: str | None = None, after: str | None = None
    ) -> AsyncIterator[Tracked[MessageEvent]]:
        return await house.regenerate(asked, client_message_id, after=after)

    return send if request.param == "send" else regenerate


async def test_a_known_client_message_id_attaches_from_the_start_during_the_turn_and_after(
    house: House, ask: Ask
) -> None:
    gate = asyncio.Event()
    house.provider.script([Text("one "), gate, *text("two")])
    first = await ask("id-1")
    seen = [await anext(first), await anext(first)]
    during = await ask("id-1")
    gate.set()
    whole = [*seen, *await read(first)]
    assert await read(during) == whole
    assert await read(await ask("id-1")) == whole
    await house.log.trim()
    snapshot, complete = await read(await ask("id-1"))
    assert isinstance(snapshot.data, Snapshot)
    assert snapshot.data.message.content == said(whole) == "one two"
    assert complete.data == whole[-1].data
    assert len(house.provider.prompts) == 2


async def test_the_same_call_at_once_is_one_turn(house: House, ask: Ask) -> None:
    house.provider.script(text("one two"))
    first, *others = await asyncio.gather(*(ask("id-1") for _ in range(5)))
    whole = await read(first)
    assert all([await read(other) == whole for other in others])
    assert len(house.provider.prompts) == 2


async def test_the_same_call_without_an_id_attaches_while_it_is_being_answered(
    house: House, ask: Ask
) -> None:
    gate = asyncio.Event()
    house.provider.script([gate, *text("one")], text("two"))
    first, second = await ask(), await ask()
    gate.set()
    assert await read(first) == await read(second)
    assert said(await read(await ask())) == "two"


async def test_a_reader_goes_on_after_any_event_and_nothing_starts(house: House, ask: Ask) -> None:
    house.provider.script(text("one two three"))
    whole = await read(await ask())
    for client_message_id in (None, "unknown"):
        for position, event in enumerate(whole):
            assert await read(await ask(client_message_id, event.id)) == whole[position + 1 :]
    assert len(house.provider.prompts) == 2


@pytest.mark.parametrize("after", ["0123abcd.7", "nonsense", "", "nowhere.0", "0.0", f"{'a' * 32}.1"])
async def test_an_id_that_is_not_of_this_conversation_never_starts_a_turn(house: House, after: str) -> None:
    with pytest.raises(RPCError) as caught:
        await house.send("never sent", after=after)
    assert caught.value.code == "NOT_FOUND"
    with pytest.raises(RPCError) as caught:
        await house.regenerate("never sent", "id-1", after=after)
    assert caught.value.code == "NOT_FOUND"
    assert await house.messages() == []


@pytest.mark.parametrize("number", [0, 99, 10**17])
async def test_a_number_that_the_conversation_has_not_reached_never_starts_a_turn(
    house: House, asked: str, number: int
) -> None:
    after = f"{house.conversation_id[:8]}.{number}"
    with pytest.raises(RPCError) as caught:
        await house.send("never sent", after=after)
    assert caught.value.code == "NOT_FOUND"
    assert len(await house.messages()) == 2


async def test_an_id_of_another_conversation_never_starts_a_turn(house: House, ask: Ask) -> None:
    mine = house.conversation_id
    house.conversation_id = (await house.store.conversations.create("ann")).id
    house.provider.script(text("of another"))
    foreign = await house.ask("Another question")
    [_, answer] = await house.messages()
    house.conversation_id = mine
    for after in (foreign[1].id, f"{answer.turn_id}.1"):
        with pytest.raises(RPCError) as caught:
            await house.send("never sent", after=after)
        assert caught.value.code == "NOT_FOUND"
        gone_on = await read(await house.send("Question", after=after))
        assert said(gone_on) == "first answer"
    assert len(house.provider.prompts) == 2


@pytest.mark.parametrize("client_message_id", [None, "id-1"])
async def test_another_owner_never_attaches_to_what_is_under_way(
    house: House, client_message_id: str | None
) -> None:
    gate = asyncio.Event()
    house.provider.script([Text("one"), gate])
    mine = house.question("Hello", client_message_id)
    events = await house.turns.stream(mine, None)
    for after in (None, f"{house.conversation_id[:8]}.1"):
        with pytest.raises(RPCError, match="no such conversation"):
            await house.turns.stream(msgspec.structs.replace(mine, owner="bob"), after)
    gate.set()
    assert said(await read(events)) == "one"


async def test_an_id_that_means_nothing_attaches_by_the_client_message_id(house: House, ask: Ask) -> None:
    gate = asyncio.Event()
    house.provider.script([Text("one "), gate, *text("two")])
    first = await ask("id-1")
    others = [await ask("id-1", after) for after in ("nonsense", "0123abcd.7")]
    gate.set()
    whole = await read(first)
    assert [await read(other) for other in others] == [whole] * 2
    assert len(house.provider.prompts) == 2


async def test_a_made_up_id_of_the_active_turn_reads_it_from_its_start(house: House) -> None:
    gate = asyncio.Event()
    house.provider.script([Text("one "), gate, *text("two")])
    first = await house.at_gate()
    active = house.turns.active(house.conversation_id)
    assert active is not None
    others = [await house.send(after=f"{active.id}.{number}") for number in (0, 1, 2)]
    gate.set()
    whole = await read(first)
    assert [await read(other) for other in others] == [whole] * 3


async def test_another_call_while_busy_is_a_conflict(house: House, asked: str) -> None:
    house.provider.script([asyncio.Event()], [asyncio.Event()])
    [_, answer] = await house.messages()
    await house.send("Busy")
    for call in (
        house.send("Something else"),
        house.send("Something else", "id-1"),
        house.regenerate(asked),
        house.regenerate(answer.id, "id-2"),
    ):
        with pytest.raises(RPCError) as caught:
            await call
        assert caught.value.code == "CONFLICT"
    await house.turns.stop(house.conversation_id, by="ann")
    await house.regenerate(asked, message="Edited")
    for call in (house.send("Edited"), house.send("Question"), house.regenerate(asked, message="Else")):
        with pytest.raises(RPCError) as caught:
            await call
        assert caught.value.code == "CONFLICT"
    await house.regenerate(asked, message="Edited")
    assert len(await house.messages()) == 2


# ---------- regenerating


@pytest.mark.parametrize("by", [0, 1], ids=["the question", "the answer"])
@pytest.mark.parametrize("message", [None, "Edited"])
async def test_an_answer_is_made_again_and_what_came_after_is_deleted(
    house: House, asked: str, by: int, message: str | None
) -> None:
    house.provider.script(text("second answer"), text("again"))
    await house.ask("Second question")
    before = await house.messages()
    events = await read(await house.regenerate(before[by].id, "id-1", message=message))
    assert said(events) == "again"
    question, answer = await house.messages()
    assert (question.id, question.content) == (asked, message or "Question")
    assert (answer.content, answer.status, answer.client_message_id) == ("again", "ok", "id-1")
    assert answer.id not in {each.id for each in before}
    assert question.turn_id == answer.turn_id
    said_to_model = [each.content for each in house.provider.prompts[-1].messages]
    assert said_to_model == [message or "Question"]


async def test_start_names_the_question_and_the_call(house: House, asked: str) -> None:
    house.provider.script(text("again"))
    [start, *_] = await read(await house.regenerate(asked, "id-1"))
    _, answer = await house.messages()
    assert (start.data.user_message_id, start.data.message_id) == (asked, answer.id)  # type: ignore[union-attr]
    assert start.data.client_message_id == "id-1"  # type: ignore[union-attr]


async def test_the_question_sent_again_attaches_to_its_newest_answer(house: House) -> None:
    house.provider.script(text("one"), text("two"))
    await house.ask("Question", "sent")
    whole = await read(await house.regenerate((await house.messages())[0].id))
    assert await house.ask("Question", "sent") == whole
    assert said(whole) == "two"


async def test_a_late_repetition_of_what_was_replaced_or_deleted_starts_nothing(
    house: House, asked: str
) -> None:
    house.provider.script(text("A"), text("B"), text("second"), text("C"))
    first = await read(await house.regenerate(asked, "id-A"))
    await read(await house.regenerate(asked, "id-B"))
    await house.ask("Second", "id-2")
    await read(await house.regenerate(asked, "id-C", message="Edited"))
    before = await house.messages()
    await house.log.trim()
    for after in (None, "nonsense", first[1].id):
        for call in (
            house.regenerate(asked, "id-A", after=after),
            house.regenerate(asked, "id-B", after=after),
            house.send("Second", "id-2", after),
        ):
            with pytest.raises(RPCError, match="clientMessageId") as caught:
                await call
            # Which clients over server-sent events take for final.
            assert caught.value.code == "NOT_FOUND"
    assert await house.messages() == before
    assert len(house.provider.prompts) == 5


async def test_what_is_not_there_cannot_be_answered_again(house: House, asked: str) -> None:
    for message_id in ("nope", ""):
        with pytest.raises(RPCError) as caught:
            await house.regenerate(message_id)
        assert caught.value.code == "NOT_FOUND"
    _, answer = await house.messages()
    await read(await house.regenerate(answer.id))
    with pytest.raises(RPCError) as caught:
        await house.regenerate(answer.id)
    assert caught.value.code == "NOT_FOUND"
    assert house.turns.active(house.conversation_id) is None
