"""A reader that takes a little at a time loses nothing, and holds nobody up."""

from typing import Final

import pytest

from tests.conformance.chat import Chat, RawSocket
from tests.faults.cut_turn import STREAM_MESSAGE
from tests.faults.evidence import read_through
from tests.faults.long_turn import LongTurn
from tests.faults.proxy import BUFFER_BYTES, Proxy
from tests.faults.sizes import SIZES

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Half of the answer: in how many events it comes depends on how busy the machine is.
MOST_SIPS: Final = SIZES.deltas * 200 // BUFFER_BYTES // 2


async def test_a_slow_reader_loses_nothing_and_delays_nobody(
    chat: Chat, proxy: Proxy, direct: RawSocket, topic: str
) -> None:
    turn = LongTurn(topic)
    await turn.plan(chat, direct)
    async with RawSocket(proxy.url) as slow, RawSocket(chat.url) as fast:
        slowly = slow.events(await slow.call("subscription", STREAM_MESSAGE, turn.input))
        late = [await anext(slowly), await anext(slowly)]
        quickly = fast.events(await fast.call("subscription", STREAM_MESSAGE, turn.input))
        # The slow one takes a little each time that the fast one has got something, but never all.
        proxy.stall()
        turn.gate.set()
        sips = iter([proxy.sip] * MOST_SIPS)
        whole = await read_through(quickly, lambda: next(sips, lambda: None)())
        before = proxy.forwarded_bytes
        proxy.resume()
        late += await read_through(slowly)
        assert before < proxy.forwarded_bytes
    turn.check(chat, whole)
    turn.check(chat, late)
