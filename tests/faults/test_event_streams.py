"""The stock client's subscriptions over server-sent events, cut off and failing."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.conformance.client import (
    CLIENT_VERSIONS,
    ClientVersion,
    StockClient,
    StockClientError,
)
from tests.faults.proxy import CutRule, Proxy, after
from tests.processes import Server, serve
from tidewire_protocol import CODES

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("node_modules")]

EVENTS = 12
PARAMS = {"token": "t"}

# What a stock client makes of an error in a subscription over server-sent events.
RETRIED = {"BAD_GATEWAY", "SERVICE_UNAVAILABLE", "GATEWAY_TIMEOUT"}
RETRIED_BY_REFERENCE = RETRIED | {"INTERNAL_SERVER_ERROR", "NOT_IMPLEMENTED"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Server]:
    async with serve("tests.faults.events_app:app") as running:
        yield running


@pytest.fixture(params=CLIENT_VERSIONS)
def version(request: pytest.FixtureRequest) -> ClientVersion:
    found: ClientVersion = request.param
    return found


async def collect(client: StockClient, path: str, **input: Any) -> list[Any]:
    """Give the data of all events, to the end of the subscription."""
    async with client.subscribe(path, input) as subscription:
        return [event["data"] async for event in subscription]


# ---------- connections that are cut


async def test_a_cut_after_any_event_loses_and_repeats_nothing(
    server: Server, version: ClientVersion
) -> None:
    expected = [[number, PARAMS] for number in range(1, EVENTS + 1)]
    async with (
        Proxy(server.url) as proxy,
        StockClient(f"{proxy.url}/api/trpc", version=version, link="sse", connection_params=PARAMS) as client,
    ):
        for cut in range(1, EVENTS + 1):
            name = f"{version} cut {cut}"
            proxy.cut_when(after(f"id: {name}.{cut}\n\n\n".encode()))
            assert await collect(client, "count", name=name, to=EVENTS) == expected
            asked = await client.query("attemptedWith", {"name": name})
            assert asked == [None, f"{name}.{cut}"]
        assert proxy.cuts == EVENTS


async def test_a_cut_after_every_event_loses_and_repeats_nothing(
    server: Server, version: ClientVersion
) -> None:
    name = f"{version} every cut"
    rest = iter(range(1, EVENTS + 1))
    expected = [[number, None] for number in range(1, EVENTS + 1)]
    async with (
        Proxy(server.url) as proxy,
        StockClient(f"{proxy.url}/api/trpc", version=version, link="sse") as client,
    ):
        proxy.cut_when(lambda received: end_of_first_event(received, name), times=EVENTS)
        assert await collect(client, "count", name=name, to=EVENTS) == expected
        asked = await client.query("attemptedWith", {"name": name})
        assert asked == [None, *(f"{name}.{number}" for number in rest)]


def end_of_first_event(received: bytes, name: str) -> int | None:
    found = received.find(f"id: {name}.".encode())
    end = received.find(b"\n\n\n", found)
    return end + 3 if found >= 0 and end >= 0 else None


async def test_a_cut_at_any_byte_of_an_event_loses_and_repeats_nothing(
    server: Server, version: ClientVersion
) -> None:
    expected = [[1, None], [2, None], [3, None]]
    async with (
        Proxy(server.url) as proxy,
        StockClient(f"{proxy.url}/api/trpc", version=version, link="sse") as client,
    ):
        # Through the second event, and into the third.
        for offset in range(44):
            name = f"{version} byte {offset}"
            proxy.cut_when(behind(f"id: {name}.1\n\n\n".encode(), offset))
            assert await collect(client, "count", name=name, to=3) == expected, offset
        assert proxy.cuts == 44


def behind(text: bytes, offset: int) -> CutRule:
    """Cut so many bytes behind `text`."""

    def rule(received: bytes) -> int | None:
        end = received.find(text) + len(text) + offset
        return end if text in received and len(received) >= end else None

    return rule


async def test_the_newer_of_the_clients_two_last_event_ids_counts(
    server: Server, version: ClientVersion
) -> None:
    """After an inactivity the client asks anew, with the id in the input; its EventSource adds a header."""
    name = f"{version} newer"
    async with (
        Proxy(server.url) as proxy,
        StockClient(f"{proxy.url}/impatient", version=version, link="sse") as client,
    ):
        proxy.cut_when(after(f"id: {name}.4\n\n\n".encode()))
        events = await collect(client, "count", name=name, to=6, pauseAfter=2)
        asked = await client.query("attemptedWith", {"name": name})
    assert [number for number, _ in events] == [1, 2, 3, 4, 5, 6]
    assert asked == [None, f"{name}.2", f"{name}.4"]


async def test_a_server_that_is_away_for_a_while_is_found_again(
    server: Server, version: ClientVersion
) -> None:
    name = f"{version} away"
    async with (
        Proxy(server.url) as proxy,
        StockClient(f"{proxy.url}/api/trpc", version=version, link="sse") as client,
        client.subscribe("count", {"name": name, "to": 3, "pauseAfter": 2}) as subscription,
    ):
        assert [(await anext(subscription))["data"][0] for _ in range(2)] == [1, 2]
        proxy.refuse()
        proxy.cut()
        await subscription.reached("connecting")
        await proxy.accept()
        assert [event["data"][0] async for event in subscription] == [3]


# ---------- errors


async def failures(client: StockClient, names: dict[str, str], retried: set[str]) -> None:
    """Fail once with each code, and see that only `retried` are asked for again."""

    async def fails(code: str) -> None:
        async with client.subscribe("fail", {"name": names[code], "code": code}) as subscription:
            if code in retried:
                await client.query("attemptedWith", {"name": names[code], "least": 3})
                assert all(told.event != "error" for told in subscription.callbacks)
            else:
                with pytest.raises(StockClientError) as caught:
                    await anext(subscription)
                assert caught.value.code == code

    final = [code for code in CODES if code not in retried]
    await asyncio.gather(*map(fails, final))
    # By the time that others have been asked for three times, so would these have been.
    await asyncio.gather(*map(fails, retried))
    for code in final:
        assert len(await client.query("attemptedWith", {"name": names[code]})) == 1


@pytest.mark.parametrize(("path", "retried"), [("api/trpc", RETRIED), ("retrying", RETRIED_BY_REFERENCE)])
async def test_only_some_codes_make_an_event_source_repeat_the_call(
    server: Server, version: ClientVersion, path: str, retried: set[str]
) -> None:
    async with StockClient(f"{server.url}/{path}", version=version, link="sse") as client:
        await failures(client, {code: f"{version} {path} {code}" for code in CODES}, retried)


async def test_no_code_makes_a_web_socket_repeat_the_call(server: Server, version: ClientVersion) -> None:
    async with StockClient(f"{server.url}/api/trpc", version=version) as client:
        await failures(client, {code: f"{version} ws {code}" for code in CODES}, set())


@pytest.mark.parametrize("link", ["sse", "ws"])
async def test_a_bug_ends_the_subscription(server: Server, version: ClientVersion, link: Any) -> None:
    name = f"{version} {link} bug"
    async with StockClient(f"{server.url}/api/trpc", version=version, link=link) as client:
        async with client.subscribe("crash", {"name": name}) as subscription:
            with pytest.raises(StockClientError) as caught:
                await anext(subscription)
        # Had it been repeated, it would have been by now: this one is retried three times.
        later = f"{name}, later"
        if link == "sse":
            async with client.subscribe("fail", {"name": later, "code": "SERVICE_UNAVAILABLE"}):
                await client.query("attemptedWith", {"name": later, "least": 4})
        assert await client.query("attemptedWith", {"name": name}) == [None]
    assert (caught.value.code, caught.value.message) == ("INTERNAL_SERVER_ERROR", "Internal server error")


@pytest.mark.parametrize("after", [0, 2], ids=["before any event", "after two events"])
async def test_an_outage_is_outlasted_over_server_sent_events(
    server: Server, version: ClientVersion, after: int
) -> None:
    name = f"{version} outage {after}"
    async with StockClient(f"{server.url}/api/trpc", version=version, link="sse") as client:
        assert await collect(client, "outage", name=name, after=after) == [1, 2, 3, 4]
        last = f"{name}.{after}" if after else None
        assert await client.query("attemptedWith", {"name": name}) == [None, last, last]


@pytest.mark.parametrize("after", [0, 2], ids=["before any event", "after two events"])
async def test_an_outage_is_an_error_over_a_web_socket(
    server: Server, version: ClientVersion, after: int
) -> None:
    name = f"{version} ws outage {after}"
    seen: list[int] = []
    async with (
        StockClient(f"{server.url}/api/trpc", version=version) as client,
        client.subscribe("outage", {"name": name, "after": after}) as subscription,
    ):
        with pytest.raises(StockClientError) as caught:
            seen.extend([event["data"] async for event in subscription])
        told = [told.data["data"] for told in subscription.callbacks if told.event == "data"]
        assert await client.query("attemptedWith", {"name": name}) == [None]
    assert caught.value.code == "SERVICE_UNAVAILABLE"
    assert told == list(range(1, after + 1))
