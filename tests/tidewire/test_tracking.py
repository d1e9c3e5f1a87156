"""Ids of events, and events that many readers share."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.tidewire.peer import Peer
from tidewire import Router, Tracked, procedure, tracked
from tidewire.tracking import SharedEvent
from tidewire_protocol.codec import tracked_tail


def test_a_tracked_event_has_an_id_and_data() -> None:
    event = tracked("7", {"text": "tide"})
    assert event == Tracked("7", {"text": "tide"})
    assert (event.id, event.data) == ("7", {"text": "tide"})


@pytest.mark.parametrize("event_id", ["0", "epoch.12", " ", "ü", "a\tb", "\u2028"])
def test_nearly_every_text_can_be_an_id(event_id: str) -> None:
    assert tracked(event_id, 1).id == event_id


@pytest.mark.parametrize(
    ("event_id", "message"),
    [
        ("", "must not be an empty string"),
        ("a\nb", "must not contain line breaks or null characters"),
        ("a\rb", "must not contain line breaks or null characters"),
        ("\0", "must not contain line breaks or null characters"),
    ],
)
def test_an_id_that_server_sent_events_cannot_carry_is_refused(event_id: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tracked(event_id, 1)


# ---------- shared by many readers


class Tide(msgspec.Struct, frozen=True):
    height: float
    place: str = "Brest"


class Ebb(msgspec.Struct, frozen=True):
    height: float
    place: str


SHARED = (
    SharedEvent("7", Tide(1.5)),
    SharedEvent("epoch.8", {"text": "é\u2028", "none": None}),
    SharedEvent("9", ["a", 1]),
)


def serving(*events: Tracked[Any]) -> Router:
    router = Router()

    @router.subscription
    async def untyped() -> AsyncIterator[Tracked[Any]]:
        for event in events:
            yield event

    @router.subscription
    async def tides() -> AsyncIterator[Tracked[Tide]]:
        for event in events:
            yield event

    @router.subscription
    async def ebbs() -> AsyncIterator[Tracked[Ebb]]:
        for event in events:
            yield event

    return router


async def frames(router: Router, path: str, transformer: str, readers: int = 1) -> list[list[bytes]]:
    """What each reader gets on its own connection."""
    found: list[list[bytes]] = []
    for _ in range(readers):
        async with Peer(router, transformer=transformer) as peer:
            peer.call("subscription", path, {"json": None} if transformer == "superjson" else ...)
            while (await peer.frame()).get("result") != {"type": "stopped"}:
                pass
            found.append(peer.raw)
    return found


def test_a_shared_event_equals_one_that_is_not() -> None:
    for shared in SHARED:
        assert shared == Tracked(shared.id, shared.data) == shared
        assert shared == SharedEvent(shared.id, shared.data)
        assert shared != Tracked("0", shared.data)
        assert Tracked(shared.id, "other") != shared
        assert shared != shared.data
    assert len({SHARED[0], SharedEvent("7", Tide(1.5)), SharedEvent("8", Tide(1.5))}) == 2


@pytest.mark.parametrize("transformer", ["none", "superjson"])
async def test_a_shared_event_is_sent_as_one_that_is_not(transformer: str) -> None:
    plain = [tracked(shared.id, shared.data) for shared in SHARED]
    [expected] = await frames(serving(*plain), "untyped", transformer)
    assert len(expected) == 5
    router = serving(*(SharedEvent(each.id, each.data) for each in plain))
    assert await frames(router, "untyped", transformer, readers=3) == [expected] * 3


async def test_a_shared_event_is_encoded_once_for_readers_of_one_transformer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoded: list[str] = []

    def noted(event_id: str, data: Any, transformer: Any) -> bytes:
        encoded.append(transformer.name)
        return tracked_tail(event_id, data, transformer)

    monkeypatch.setattr("tidewire.session.tracked_tail", noted)
    router = serving(SharedEvent("7", Tide(1.5)))
    for transformer in ("none", "superjson", "none"):
        await frames(router, "untyped", transformer, readers=2)
    assert encoded == ["none", "superjson", "none"]


async def test_a_shared_event_is_checked_once_for_readers_of_one_type_and_refused_by_a_wrong_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checked: list[Any] = []
    conform = procedure._conform  # pyright: ignore[reportPrivateUsage] (what is counted)

    def noted(value: Any, type: Any) -> Any:
        checked.append(type)
        return conform(value, type)

    monkeypatch.setattr(procedure, "_conform", noted)
    wrong = SharedEvent("7", {"height": "low"})
    router = serving(SharedEvent("7", Tide(1.5)))
    first, *others = await frames(router, "tides", "none", readers=3)
    assert others == [first, first]
    await frames(router, "ebbs", "none", readers=2)
    await frames(router, "tides", "none")
    assert checked == [Tide, Ebb, Tide]
    for _ in range(2):
        [[_, refused, _]] = await frames(serving(wrong), "tides", "none")
        assert b"Output validation failed" in refused
    assert checked == [Tide, Ebb, Tide, Tide, Tide]
