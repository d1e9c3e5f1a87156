"""A turn as it is seen: from the message that is sent to the answer that is stored."""

import asyncio

import pytest
from playwright.async_api import Route, expect

from tests.browser.house import House
from tests.browser.scripts import OVERLOADED, broken_off, endless, gated, thinking
from tests.browser.tab import Tab
from tests.browser.watch import LOST_NETWORK
from tests.upstream import text_answer, tool_answer

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_answer_streams_word_by_word_and_ends_as_the_database_says(house: House, tab: Tab) -> None:
    words = ["The", "tide", "comes", "in"]
    script, gates = gated(" ".join(words))
    house.playbook.script("What does the tide do?", script)
    await tab.ask("What does the tide do?")
    await expect(tab.questions).to_have_text(["What does the tide do?"])
    await expect(tab.button("Stop")).to_be_enabled()
    for count, gate in enumerate(gates, 1):
        gate.set()
        await tab.says(" ".join(words[:count]))
    await tab.rests()
    assert house.texts(tab.conversation) == ["What does the tide do?", "The tide comes in"]


async def test_an_answer_is_announced_at_its_beginning_and_its_end_only(house: House, tab: Tab) -> None:
    script, gates = gated("one two")
    house.playbook.script("Count", script)
    await tab.ask("Count")
    await expect(tab.status).to_have_text("Answering…")
    gates[0].set()
    await tab.says("one")
    await expect(tab.status).to_have_text("Answering…")
    gates[1].set()
    await expect(tab.status).to_have_text("Answer complete")
    await expect(tab.log).to_have_attribute("aria-live", "off")


async def test_a_tool_call_shows_arguments_then_that_it_runs_then_the_result(house: House, tab: Tab) -> None:
    arrived: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()
    async with await asyncio.start_server(
        lambda _, writer: arrived.set_result(writer), "127.0.0.1", 0
    ) as visited:
        port = visited.sockets[0].getsockname()[1]
        call = tool_answer([("call_1", "visit", f'{{"port": {port}}}')])
        house.playbook.script("Pay a visit", call, text_answer("They were in."))
        await tab.ask("Pay a visit")
        card = tab.tool_call("visit")
        await expect(card).to_contain_text("Running…")
        await card.locator("summary").click()
        await expect(card).to_contain_text(f'"port": {port}')
        writer = await arrived
        writer.write(b"somebody <b>opened</b>\n")
        writer.close()
        await expect(card).to_contain_text("somebody <b>opened</b>")
        await expect(card).not_to_contain_text("Running…")
        await expect(card).to_contain_text("Done")
    await tab.says("They were in.")


async def test_a_tool_that_fails_says_why(house: House, tab: Tab) -> None:
    call = tool_answer([("call_1", "break_down", '{"reason": "It rained."}')])
    house.playbook.script("Try it", call, text_answer("It did not work."))
    await tab.ask("Try it")
    card = tab.tool_call("break_down")
    await expect(card).to_contain_text("Failed")
    await card.locator("summary").click()
    await expect(card).to_contain_text("It rained.")
    await tab.says("It did not work.")


async def test_what_the_model_thinks_is_folded_away(house: House, tab: Tab) -> None:
    house.playbook.script("Think", thinking("Hm, let me see.", "Forty-two."))
    await tab.ask("Think")
    await tab.rests()
    await expect(tab.answer.get_by_text("Hm, let me see.")).to_have_count(0)
    await tab.answer.get_by_text("Reasoning").click()
    await expect(tab.answer.get_by_text("Hm, let me see.")).to_be_visible()


async def test_stop_keeps_what_was_there(house: House, tab: Tab) -> None:
    house.playbook.script("Go on for ever", endless("on and on"))
    await tab.ask("Go on for ever")
    await tab.says("on and on")
    request = await house.playbook.held("Go on for ever")
    await tab.button("Stop").click()
    await request.hung_up.wait()
    await tab.rests()
    await tab.says("on and on")
    await expect(tab.answer).to_contain_text("Stopped")
    await expect(tab.composer).to_be_focused()
    assert [row["status"] for row in house.rows(tab.conversation)] == ["ok", "stopped"]


async def test_a_first_message_is_shown_at_once_and_what_is_written_meanwhile_stays(
    house: House, tab: Tab
) -> None:
    await tab.is_connected()
    held: asyncio.Queue[Route] = asyncio.Queue()
    await tab.page.route("**/conversations.create**", held.put)
    await tab.ask("Hello")
    await tab.composer.fill("And another thing")
    await expect(tab.button("Send")).to_be_disabled()
    # Neither is lost if the page is left.
    await held.get()
    await tab.page.reload()
    await expect(tab.composer).to_have_value("Hello\n\nAnd another thing")
    # Nor if the server is not there.
    house.watch.allow(LOST_NETWORK)
    await tab.ask("Hello")
    await tab.composer.fill("And another thing")
    await (await held.get()).abort()
    await expect(tab.problem).to_be_visible()
    await expect(tab.composer).to_have_value("Hello\n\nAnd another thing")
    await tab.ask("Hello")
    await tab.composer.fill("And another thing")
    await (await held.get()).continue_()
    await tab.shows("Hello", "You said Hello")
    await expect(tab.composer).to_have_value("And another thing")
    await tab.button("New conversation").click()
    await expect(tab.composer).to_have_value("")


async def test_a_message_that_is_sent_before_the_others_have_come_stays(house: House, tab: Tab) -> None:
    conversation = await house.conversation("Hello")
    loaded = asyncio.Event()

    async def hold(route: Route) -> None:
        await loaded.wait()
        await route.continue_()

    await tab.page.route("**/conversations.get**", hold)
    await tab.page.goto(f"/c/{conversation}")
    await tab.is_connected()
    await tab.send("Are you there?")
    # The server has it, but what it answers cannot be placed yet.
    await house.playbook.asked("Are you there?")
    await expect(tab.asked.last).not_to_contain_text("Sending")
    await expect(tab.questions).to_have_text(["Are you there?"])
    loaded.set()
    await tab.shows("Hello", "You said Hello", "Are you there?", "You said Are you there?")


async def test_who_does_not_wait_for_a_conversation_to_be_created_is_not_taken_there(
    house: House, tab: Tab
) -> None:
    conversation = await house.conversation("Tides")
    await tab.page.reload()
    held: asyncio.Queue[Route] = asyncio.Queue()
    await tab.page.route("**/conversations.create**", held.put)
    await tab.ask("Hello")
    await tab.page.get_by_role("link", name="Tides").click()
    await (await held.get()).continue_()
    await expect(tab.page.get_by_role("link")).to_have_text(["Skip to the conversation", "Hello", "Tides"])
    assert tab.conversation == conversation
    await tab.page.get_by_role("link", name="Hello").click()
    await tab.shows("Hello", "You said Hello")


async def test_a_double_click_on_send_does_not_stop_what_was_sent(house: House, tab: Tab) -> None:
    # A new conversation, and one that is there.
    for message in ("Count", "Count on"):
        script, gates = gated("one two")
        house.playbook.script(message, script)
        await tab.composer.fill(message)
        await tab.button("Send").dblclick()
        await house.playbook.held(message)
        await expect(tab.button("Stop")).to_be_enabled()
        for gate in gates:
            gate.set()
        await tab.says("one two")
        await tab.rests()
    assert [row["status"] for row in house.rows(tab.conversation)] == ["ok"] * 4


async def test_a_stop_that_does_not_arrive_says_so_and_is_sent_again(house: House, tab: Tab) -> None:
    house.watch.allow(LOST_NETWORK)
    house.playbook.script("Go on for ever", endless("on and on"))
    await tab.ask("Go on for ever")
    await tab.says("on and on")
    await tab.page.route("**/conversations.stop**", lambda route: route.abort())
    await tab.button("Stop").click()
    await expect(tab.problem).to_contain_text("The server cannot be reached.")
    await expect(tab.status).to_have_text("The server cannot be reached.")
    await tab.page.unroute("**/conversations.stop**")
    await tab.problem.get_by_role("button", name="Retry").click()
    await expect(tab.answer).to_contain_text("Stopped")
    await expect(tab.problem).to_have_count(0)


async def test_regenerating_replaces_the_answer(house: House, tab: Tab) -> None:
    house.playbook.script("Say a number", text_answer("One"), text_answer("Two"))
    await tab.ask("Say a number")
    await tab.says("One")
    await tab.rests()
    await tab.on(tab.answer, "Regenerate")
    await tab.shows("Say a number", "Two")
    await tab.rests()
    assert house.texts(tab.conversation) == ["Say a number", "Two"]


async def test_editing_sends_a_message_again_and_drops_what_came_after_it(house: House, tab: Tab) -> None:
    for message in ("First", "Second"):
        await tab.ask(message)
        await tab.says(f"You said {message}")
        await tab.rests()
    await tab.on(tab.asked.first, "Edit message")
    field = tab.page.get_by_role("textbox", name="Edited message")
    await expect(field).to_be_focused()
    await field.fill("Third")
    await tab.button("Send again").click()
    await tab.shows("Third", "You said Third")
    await tab.rests()
    assert house.texts(tab.conversation) == ["Third", "You said Third"]


async def test_what_is_copied_can_be_pasted_also_where_the_page_is_not_secure(house: House, tab: Tab) -> None:
    await tab.ask("Hello")
    await tab.rests()
    # So it is for a page from a plain http address.
    await tab.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    await tab.on(tab.answer, "Copy answer")
    await expect(tab.status).to_have_text("Copied")
    await expect(tab.answer.get_by_role("button", name="Copy answer")).to_be_focused()
    await tab.composer.press("Control+v")
    await expect(tab.composer).to_have_value("You said Hello")
    await tab.page.evaluate("document.execCommand = () => false")
    await tab.on(tab.answer, "Copy answer")
    notices = tab.page.get_by_role("region", name="Notices")
    await expect(notices).to_have_text("The browser does not allow copying here")


async def test_a_reload_in_mid_answer_goes_on(house: House, tab: Tab) -> None:
    script, gates = gated("one two three")
    house.playbook.script("Count", script)
    await tab.ask("Count")
    gates[0].set()
    await tab.says("one")
    await tab.page.reload()
    await tab.shows("Count", "one")
    gates[1].set()
    await tab.says("one two")
    gates[2].set()
    await tab.shows("Count", "one two three")
    await tab.rests()
    assert len(house.playbook.requests("Count")) == 1


async def test_a_failed_answer_says_why_and_can_be_had_again(house: House, tab: Tab) -> None:
    house.playbook.script("Try", OVERLOADED, text_answer("Now it works."))
    await tab.ask("Try")
    await expect(tab.answer).to_contain_text("The answer failed.")
    await expect(tab.status).to_contain_text("The answer failed.")
    await tab.rests()
    await tab.on(tab.answer, "Regenerate")
    await tab.says("Now it works.")
    await tab.rests()
    await expect(tab.answer).not_to_contain_text("failed")


async def test_an_answer_that_breaks_off_keeps_its_text_and_says_so(house: House, tab: Tab) -> None:
    house.playbook.script("Try", broken_off("So far, so"))
    await tab.ask("Try")
    await tab.says("So far, so")
    await expect(tab.answer.locator(".outcome")).to_be_visible()
    rows = house.rows(tab.conversation)
    assert rows[-1]["status"] in {"error", "interrupted"}
    assert rows[-1]["content"] == "So far, so"


async def test_the_chosen_model_and_tools_are_those_the_provider_gets(house: House, tab: Tab) -> None:
    await tab.button("Tools 8 of 8 on").click()
    picker = tab.page.get_by_role("group", name="Tools the model may call")
    for box in await picker.get_by_role("checkbox").all():
        await box.uncheck()
    await picker.get_by_role("checkbox", name="calculate").check()
    await tab.page.keyboard.press("Escape")
    await tab.ask("Hello")
    request = await house.playbook.asked("Hello")
    assert [each["function"]["name"] for each in request.json["tools"]] == ["calculate"]
    await tab.rests()
