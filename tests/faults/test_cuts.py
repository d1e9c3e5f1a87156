"""A connection that is cut after, or within, any event of a turn: nothing is lost, nothing comes twice."""

import asyncio
import random
from collections.abc import Sequence
from typing import Final, Literal

import pytest

from tests.conformance.chat import Chat, RawSocket
from tests.conformance.client import CLIENT_VERSIONS, ClientVersion, StockClient
from tests.faults.cut_turn import Asking, CutTurn
from tests.faults.cuts import Cuts
from tests.faults.proxy import Proxy
from tests.faults.sizes import SEEDS
from tests.faults.story import TYPES

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("node_modules")]

Link = Literal["ws", "sse"]

# Over WebSockets one cut hits all turns of a wave, over SSE only the one it is for.
WAVES: Final[dict[Link, int]] = {"ws": 5, "sse": 1}


async def check_cuts(
    chat: Chat, proxy: Proxy, direct: RawSocket, version: ClientVersion, link: Link, turns: Sequence[CutTurn]
) -> None:
    """Run turns with one client, several at a time."""
    cuts = Cuts()
    await asyncio.gather(*(turn.plan(chat, direct, cuts) for turn in turns))
    proxy.cut_when(cuts, times=cuts.planned)
    async with StockClient(proxy.url, version=version, link=link) as client:
        for wave in range(WAVES[link]):
            await asyncio.gather(*(turn.run(chat, client) for turn in turns[wave :: WAVES[link]]))
    assert proxy.cuts == cuts.planned


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("link", WAVES)
@pytest.mark.parametrize("version", CLIENT_VERSIONS)
async def test_a_cut_at_any_event_loses_and_repeats_nothing(
    chat: Chat, proxy: Proxy, direct: RawSocket, topic: str, version: ClientVersion, link: Link, seed: int
) -> None:
    luck = random.Random(seed)
    places = [(number, early) for number in range(1, len(TYPES) + 1) for early in (0, luck.randint(1, 60))]
    turns = [
        CutTurn(
            f"{topic} {number} {early}",
            number=number,
            early=early,
            paced=(number + bool(early) + seed) % 2 == 0,
        )
        for number, early in places
    ]
    await check_cuts(chat, proxy, direct, version, link, turns)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("version", CLIENT_VERSIONS)
async def test_a_cut_while_a_message_is_answered_again_loses_and_repeats_nothing(
    chat: Chat, proxy: Proxy, direct: RawSocket, topic: str, version: ClientVersion, seed: int
) -> None:
    luck = random.Random(seed)
    askings: Sequence[Asking] = ("again", "otherwise")
    # The first and the last events always, and some of those between.
    last = len(TYPES) - 1
    numbers = [1, 2, *luck.sample(range(3, last), 4), last]
    turns = [
        CutTurn(
            f"{topic} {asking} {number}",
            number=number,
            early=luck.choice((0, 20)),
            paced=luck.random() < 0.5,
            asking=asking,
        )
        for asking in askings
        for number in numbers
    ]
    await check_cuts(chat, proxy, direct, version, "ws", turns)
