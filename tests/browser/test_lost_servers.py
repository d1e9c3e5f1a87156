"""Networks and servers that go away, and come back: no word is lost, and each state says what it is."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.house import House, housed
from tests.browser.scripts import gated
from tests.browser.tab import Tab
from tests.browser.watch import LOST_NETWORK, NOT_FOUND
from tests.faults.proxy import Proxy
from tests.upstream import text_answer

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def _lost(house: House) -> AsyncIterator[None]:
    """Browsers themselves complain when a server is not there."""
    house.watch.allow(LOST_NETWORK)
    yield


async def test_a_second_tab_is_in_step_and_sends_as_well(house: House, tab: Tab) -> None:
    script, gates = gated("one two three")
    house.playbook.script("Count", script)
    await tab.ask("Count")
    gates[0].set()
    await tab.says("one")
    other = await house.tab(f"/c/{tab.conversation}")
    await other.shows("Count", "one")
    for count, gate in enumerate(gates[1:], 2):
        gate.set()
        for each in (tab, other):
            await each.says(" ".join(["one", "two", "three"][:count]))
    for each in (tab, other):
        await each.rests()
    await tab.ask("Again")
    for each in (tab, other):
        await each.shows("Count", "one two three", "Again", "You said Again")
    await other.ask("And I")
    for each in (tab, other):
        await each.shows("Count", "one two three", "Again", "You said Again", "And I", "You said And I")
        await each.rests()


async def test_what_is_regenerated_and_edited_in_one_tab_is_so_in_the_other(house: House, tab: Tab) -> None:
    house.playbook.script("Say a number", text_answer("One"), text_answer("Two"))
    await tab.ask("Say a number")
    await tab.rests()
    other = await house.tab(f"/c/{tab.conversation}")
    await other.shows("Say a number", "One")
    await tab.on(tab.answer, "Regenerate")
    for each in (tab, other):
        await each.shows("Say a number", "Two")
        await each.rests()
    await other.on(other.asked, "Edit message")
    await other.page.get_by_role("textbox", name="Edited message").fill("Say a word")
    await other.button("Send again").click()
    for each in (tab, other):
        await each.shows("Say a word", "You said Say a word")


async def test_what_is_sent_without_a_network_goes_out_when_it_is_back(house: House, tab: Tab) -> None:
    await tab.ask("Hello")
    await tab.rests()
    await tab.page.context.set_offline(True)
    await tab.is_connected("Offline")
    await tab.ask("Are you there?")
    await expect(tab.asked.last).to_contain_text("Will be sent when you are online")
    assert house.playbook.requests("Are you there?") == []
    await tab.page.context.set_offline(False)
    await tab.is_connected()
    await tab.shows("Hello", "You said Hello", "Are you there?", "You said Are you there?")
    await expect(tab.asked.last).not_to_contain_text("Will be sent")
    await tab.rests()
    assert len(house.playbook.requests("Are you there?")) == 1
    # A conversation that is still to be created waits as well.
    await tab.button("New conversation").click()
    await tab.page.context.set_offline(True)
    await tab.is_connected("Offline")
    await tab.send("And here?")
    await expect(tab.problem).to_contain_text("Your message will be sent when it is back.")
    await expect(tab.composer).to_have_value("And here?")
    await tab.page.context.set_offline(False)
    await tab.shows("And here?", "You said And here?")
    await expect(tab.composer).to_have_value("")


async def test_a_connection_that_is_cut_in_mid_answer_loses_nothing(house: House) -> None:
    async with Proxy(house.url) as proxy:
        house.watch.move(proxy.url, house.url)
        tab = await house.tab(base_url=proxy.url)
        script, gates = gated("one two three four")
        house.playbook.script("Count", script)
        await tab.ask("Count")
        gates[0].set()
        await tab.says("one")
        proxy.refuse()
        proxy.cut(reset=True)
        await tab.is_connected("Reconnecting")
        gates[1].set()
        gates[2].set()
        await proxy.accept()
        await tab.is_connected()
        await tab.says("one two three")
        gates[3].set()
        await tab.says("one two three four")
        await tab.rests()
        await tab.page.context.close()


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
async def test_a_server_that_ends_in_mid_answer_leaves_what_the_database_says(
    house: House, tab: Tab, how: str
) -> None:
    script, gates = gated("one two three four")
    house.playbook.script("Count", script)
    await tab.ask("Count")
    for gate in gates[:2]:
        gate.set()
    await tab.says("one two")
    if how == "SIGTERM":
        house.life.terminate()
        await house.life.end()
    else:
        await house.life.kill()
    await tab.is_connected("Reconnecting")
    await tab.says("one two")
    await house.restart()
    await tab.is_connected()
    await expect(tab.answer).to_contain_text("interrupted")
    await tab.rests()
    rows = house.rows(tab.conversation)
    assert [row["status"] for row in rows] == ["ok", "interrupted"]
    await tab.shows(*(str(row["content"]).rstrip() for row in rows))
    await tab.ask("And now?")
    await tab.says("You said And now?")


async def test_an_answer_that_ends_while_its_server_drains_is_whole(house: House, tab: Tab) -> None:
    script, gates = gated("one two three four")
    house.playbook.script("Count", script)
    await tab.ask("Count")
    gates[0].set()
    await tab.says("one")
    house.life.terminate()
    await house.life.says("Asked to end")
    for gate in gates[1:]:
        gate.set()
    await house.life.end()
    await house.restart()
    await tab.is_connected()
    await tab.says("one two three four")
    await tab.rests()
    await expect(tab.answer).not_to_contain_text("interrupted")


async def test_a_server_that_is_down_when_the_page_loads_is_waited_for(house: House) -> None:
    conversation = await house.conversation("Hello")
    # A plain request, to no procedure, tells whether only WebSockets are blocked.
    house.watch.allow(NOT_FOUND)
    async with Proxy(house.url) as proxy:
        house.watch.move(proxy.url)
        context = await house.context(base_url=proxy.url)
        tab = Tab(await context.new_page())
        for path in (f"/c/{conversation}", "/"):
            # The pages themselves are there.
            proxy.forbid(b" /api/trpc")
            await tab.page.goto(path)
            await expect(tab.page.get_by_role("heading", name="The server cannot be reached")).to_be_visible()
            await expect(tab.composer).to_be_editable()
            proxy.forbid(None)
            await expect(tab.page.get_by_role("link", name="Hello")).to_be_visible()
            await tab.is_connected()
        await tab.page.get_by_role("link", name="Hello").click()
        await tab.shows("Hello", "You said Hello")
        await context.close()


async def test_where_websockets_are_blocked_events_come_another_way(house: House) -> None:
    conversation = await house.conversation("Hello")
    # A plain request, to no procedure, tells whether only WebSockets are blocked.
    house.watch.allow(NOT_FOUND)
    async with Proxy(house.url) as proxy:
        house.watch.move(proxy.url)
        proxy.forbid(b"Upgrade: websocket")
        context = await house.context(base_url=proxy.url)
        tab = Tab(await context.new_page())
        await tab.page.goto("/")
        await tab.is_connected()
        await tab.visit(conversation)
        script, gates = gated("one two three")
        house.playbook.script("Count", script)
        await tab.ask("Count")
        for count, gate in enumerate(gates, 1):
            gate.set()
            await tab.says(" ".join(["one", "two", "three"][:count]))
        await tab.rests()
        # Also where nothing is subscribed to.
        await tab.button("New conversation").click()
        await tab.is_connected()
        await tab.ask("Count")
        await tab.says("You said Count")
        await context.close()


async def test_a_message_that_is_refused_can_be_sent_again(
    browser: Browser, built: Path, launcher: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "refusing"
    folder.mkdir()
    async with housed(browser, launcher, folder, "tests.browser.refusing_app:app") as house:
        conversation = await house.conversation("Hello")
        tab = await house.tab()
        await tab.visit(conversation)
        await tab.ask("Please refuse once")
        await expect(tab.asked.last).to_contain_text("Not sent. Too many messages just now")
        await expect(tab.status).to_contain_text("not sent")
        await tab.page.reload()
        await expect(tab.asked.last).to_contain_text("Not sent. Too many messages just now")
        await tab.on(tab.asked.last, "Retry")
        await tab.says("You said Please refuse once")
        await expect(tab.asked.last).not_to_contain_text("Not sent")
        await tab.ask("And refuse once more")
        await tab.on(tab.asked.last, "Discard")
        await tab.shows("Hello", "You said Hello", "Please refuse once", "You said Please refuse once")


async def test_a_message_sent_while_the_server_is_down_is_answered_when_it_is_back(
    house: House, tab: Tab
) -> None:
    await tab.ask("Hello")
    await tab.rests()
    await house.life.kill()
    await tab.is_connected("Reconnecting")
    await tab.ask("Are you there?")
    await expect(tab.asked.last).to_contain_text("Are you there?")
    await house.restart()
    await tab.shows("Hello", "You said Hello", "Are you there?", "You said Are you there?")
    await tab.rests()
    assert len(house.playbook.requests("Are you there?")) == 1
