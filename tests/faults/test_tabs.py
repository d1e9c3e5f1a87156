"""Several tabs with one conversation, each on a connection that breaks: all see the same."""

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.conformance.chat import Chat, RawSocket, running_chat
from tests.conformance.client import (
    CLIENT_VERSIONS,
    WAIT_SECONDS,
    ClientVersion,
    StockClient,
    StockClientError,
)
from tests.faults.cut_turn import STREAM_MESSAGE
from tests.faults.cuts import Cuts
from tests.faults.evidence import Seen, check_turn, data_of, folded, read_through, read_to_complete
from tests.faults.proxy import Proxy
from tests.faults.sizes import SEEDS
from tests.faults.story import ROUNDS, TEXT, TYPES, Story

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("node_modules")]

GET = "conversations.get"
WATCH = "conversations.watch"

CUTS = 4
"""Of each tab's connection."""

JOIN_AFTER = 5
"""Events that the first tab sees before the others come."""


@asynccontextmanager
async def tab(
    chat: Chat, version: ClientVersion, epoch: str, luck: random.Random
) -> AsyncGenerator[StockClient]:
    """A client whose connection is cut at some of a conversation's events that come late in its turn."""
    cuts = Cuts()
    for number in luck.sample(range(len(TYPES) // 2, len(TYPES)), CUTS):
        cuts.plan(f"{epoch}.{number}", early=luck.choice((0, 0, 10, 40)))
    async with Proxy(chat.url) as proxy, StockClient(proxy.url, version=version) as client:
        proxy.cut_when(cuts, times=cuts.planned)
        yield client
        assert proxy.cuts == cuts.planned


async def epoch_of(socket: RawSocket, conversation: str) -> str:
    """What the ids of a new conversation's events begin with."""
    state = await socket.ask("query", GET, {"conversationId": conversation})
    return str(state["result"]["data"]["upTo"].rpartition(".")[0])


async def sent(client: StockClient, input: Mapping[str, Any]) -> Seen:
    """Send the message, and read the whole turn."""
    async with client.subscribe(STREAM_MESSAGE, input) as events:
        return await read_through(events)


@pytest.mark.parametrize("seed", SEEDS)
async def test_all_tabs_see_the_same_events_whenever_they_join(
    chat: Chat, direct: RawSocket, topic: str, seed: int
) -> None:
    luck = random.Random(seed)
    old, new = CLIENT_VERSIONS
    story = Story(paced=True)
    chat.playbook.script(topic, *story.scripts)
    conversation = await direct.new_conversation()
    epoch = await epoch_of(direct, conversation)
    input = {"conversationId": conversation, "message": topic, "clientMessageId": "mine"}
    async with (
        tab(chat, old, epoch, luck) as first,
        tab(chat, new, epoch, luck) as second,
        tab(chat, luck.choice(CLIENT_VERSIONS), epoch, luck) as third,
        first.subscribe(STREAM_MESSAGE, input) as events,
    ):
        before: list[Any] = []
        while len(before) < JOIN_AFTER:
            before.append(await anext(events))
            story.heard()
        state = await second.query(GET, {"conversationId": conversation})
        following = {"conversationId": conversation, "lastEventId": state["upTo"]}
        async with (
            second.subscribe(WATCH, following) as watching,
            third.subscribe(STREAM_MESSAGE, input) as repeating,
        ):
            await watching.started()
            await repeating.started()
            with pytest.raises(StockClientError) as caught:
                await sent(first, {**input, "message": "something else", "clientMessageId": "other"})
            assert caught.value.code == "CONFLICT"
            rest, watched, repeated = await asyncio.gather(
                read_through(events, story.heard), read_to_complete(watching), read_through(repeating)
            )
        whole = [*before, *rest]
        answer = check_turn(chat, conversation, whole)
        assert (answer["status"], answer["content"]) == ("ok", TEXT)
        assert repeated == whole
        check_join(state, watched, whole)
        # And one that comes after the end, while the log still has everything.
        assert await sent(second, input) == whole
    assert len(chat.playbook.requests(topic)) == ROUNDS
    assert [row["content"] for row in chat.rows(conversation)] == [topic, TEXT]


def check_join(state: Mapping[str, Any], watched: Seen, whole: Seen) -> None:
    """What `get` gave and what `watch` added is the whole turn, without a gap or an overlap."""
    place = [event["id"] for event in whole].index(state["upTo"]) + 1
    assert list(watched) == list(whole[place:])
    shown = state["messages"][1]
    assert (shown["status"], state["activeTurn"]["turnId"]) == ("streaming", shown["turnId"])
    assert shown["parts"] == msgspec.to_builtins(folded(data_of(whole[:place])).parts)


@pytest.mark.parametrize("version", CLIENT_VERSIONS)
async def test_a_tab_that_comes_after_the_log_gets_snapshots(
    folder: Path, topic: str, version: ClientVersion
) -> None:
    async with running_chat(folder, TIDEWIRE_LOG_RETENTION="0") as chat, RawSocket(chat.url) as direct:
        chat.playbook.script(topic, *Story(paced=False).scripts)
        conversation = await direct.new_conversation()
        identified = {"conversationId": conversation}
        input = {**identified, "message": topic, "clientMessageId": "mine"}
        whole = await raw_turn(direct, input)
        await forgotten(direct, input)
        state = (await direct.ask("query", GET, identified))["result"]["data"]
        asked, answered = state["messages"]

        cuts = Cuts()
        cuts.plan(f"{answered['turnId']}.1")
        cuts.plan(f"{answered['turnId']}.2", early=20)
        async with Proxy(chat.url) as proxy, StockClient(proxy.url, version=version) as client:
            proxy.cut_when(cuts, times=cuts.planned)
            for beginning in ({}, {"lastEventId": whole[4]["id"]}):
                late = data_of(await sent(client, {**input, **beginning}))
                assert [event["type"] for event in late] == ["snapshot", "complete"]
                assert late[0]["message"] == answered
                assert late[1] == whole[-1]["data"]
            async with client.subscribe(WATCH, {**identified, "lastEventId": whole[4]["id"]}) as watching:
                shown = [(await anext(watching))["data"] for _ in range(2)]
                assert [event["message"] for event in shown] == [asked, answered]
                assert {event["upTo"] for event in shown} == {state["upTo"]}
                # It goes on from there.
                following = await raw_turn(direct, {**identified, "message": f"{topic} again"})
                assert await read_to_complete(watching) == following
            assert proxy.cuts == cuts.planned
        assert len(chat.playbook.requests(topic)) == ROUNDS


async def raw_turn(socket: RawSocket, input: Mapping[str, Any]) -> Seen:
    """Send a message over a connection that nothing happens to."""
    return await read_through(socket.events(await socket.call("subscription", STREAM_MESSAGE, input)))


async def forgotten(socket: RawSocket, input: Mapping[str, Any]) -> None:
    """Wait until the log holds a turn's events no longer."""
    async with asyncio.timeout(WAIT_SECONDS):
        while (await raw_turn(socket, input))[0]["data"]["type"] != "snapshot":
            pass
