"""The list of conversations, what is written but not sent, and the keyboard."""

import pytest
from playwright.async_api import Locator, expect

from tests.browser.house import PHONE, House
from tests.browser.scripts import endless
from tests.browser.tab import Tab
from tests.browser.watch import LOST_NETWORK, NOT_FOUND
from tests.upstream import Stall, stream

pytestmark = pytest.mark.asyncio(loop_scope="module")


def listed(tab: Tab) -> Locator:
    """The links of the list."""
    return tab.page.get_by_role("navigation", name="Conversations").get_by_role("link")


def heading(tab: Tab, title: str) -> Locator:
    return tab.page.get_by_role("heading", name=title, level=1, exact=True)


# ---------- the list


async def test_a_new_conversation_gets_a_title_and_is_first_in_the_list(house: House, tab: Tab) -> None:
    for message in ("Rivers and tides", "Mountains"):
        await tab.button("New conversation").click()
        await tab.ask(message)
        await expect(heading(tab, message)).to_be_visible()
        await tab.rests()
    await expect(listed(tab)).to_have_text(["Mountains", "Rivers and tides"])
    await listed(tab).last.click()
    await tab.shows("Rivers and tides", "You said Rivers and tides")
    await expect(listed(tab).last).to_have_attribute("aria-current", "page")


async def test_titles_of_another_tab_appear_by_themselves(house: House, tab: Tab) -> None:
    conversation = await house.conversation()
    await tab.visit(conversation)
    other = await house.tab(f"/c/{conversation}")
    await other.ask("Rivers and tides")
    await expect(heading(tab, "Rivers and tides")).to_be_visible()
    await expect(listed(tab)).to_have_text(["Rivers and tides"])


async def test_renaming_is_kept_and_seen_in_other_tabs(house: House, tab: Tab) -> None:
    conversation = await house.conversation(title="Old")
    other = Tab(await tab.page.context.new_page())
    await other.visit(conversation)
    await tab.visit(conversation)
    await listed(tab).first.hover()
    await tab.button("Rename Old").click()
    await tab.page.get_by_role("textbox", name="Title").fill("New")
    await tab.page.keyboard.press("Enter")
    for each in (tab, other):
        await expect(heading(each, "New")).to_be_visible()
        await expect(listed(each)).to_have_text(["New"])
    await tab.page.reload()
    await expect(heading(tab, "New")).to_be_visible()


async def test_esc_gives_a_new_name_up(house: House, tab: Tab) -> None:
    await house.conversation(title="Old")
    await tab.page.reload()
    await listed(tab).first.hover()
    await tab.button("Rename Old").click()
    await tab.page.get_by_role("textbox", name="Title").fill("New")
    await tab.page.keyboard.press("Escape")
    await expect(listed(tab)).to_have_text(["Old"])
    await expect(listed(tab)).to_be_focused()


async def test_deleting_can_be_undone_for_a_moment(house: House, tab: Tab) -> None:
    for title in ("One", "Two"):
        await house.conversation(title=title)
    await tab.page.reload()
    await expect(listed(tab)).to_have_text(["Two", "One"])
    await listed(tab).first.hover()
    await tab.button("Delete Two").click()
    await expect(listed(tab)).to_have_text(["One"])
    await tab.button("Undo").click()
    await expect(listed(tab)).to_have_text(["Two", "One"])
    await tab.page.reload()
    await expect(listed(tab)).to_have_text(["Two", "One"])


async def test_who_undoes_a_deletion_is_where_they_were(house: House, tab: Tab) -> None:
    one = await house.conversation(title="One")
    await house.conversation(title="Two")
    await tab.visit(one)
    # Another conversation than the one that is open, and the open one.
    for title in ("Two", "One"):
        await listed(tab).filter(has_text=title).hover()
        await tab.button(f"Delete {title}").click()
        await expect(listed(tab)).to_have_count(1)
        await tab.button("Undo").click()
        await expect(listed(tab)).to_have_text(["Two", "One"])
        await expect(heading(tab, "One")).to_be_visible()
        await expect(listed(tab).first if title == "Two" else tab.composer).to_be_focused()


async def test_what_cannot_be_deleted_is_back_and_says_why(house: House, tab: Tab) -> None:
    house.watch.allow(LOST_NETWORK)
    await house.conversation(title="One")
    await tab.page.reload()
    await tab.page.route("**/conversations.delete**", lambda route: route.abort())
    await listed(tab).first.hover()
    await tab.button("Delete One").click()
    await expect(listed(tab)).to_have_count(0)
    await expect(listed(tab)).to_have_text(["One"])
    why = "The conversation could not be deleted. The server cannot be reached."
    await expect(tab.page.get_by_role("region", name="Notices")).to_have_text(why)
    await expect(tab.status).to_have_text(why)


async def test_what_was_deleted_is_gone_after_a_reload(house: House, tab: Tab) -> None:
    for title in ("One", "Two"):
        await house.conversation(title=title)
    await tab.page.reload()
    await listed(tab).first.hover()
    await tab.button("Delete Two").click()
    await expect(listed(tab)).to_have_text(["One"])
    # The page that was left may not have been heard: the next one sees to it, perhaps once too often.
    house.watch.allow(NOT_FOUND)
    async with tab.page.expect_response(lambda response: "conversations.delete" in response.url):
        await tab.page.reload()
    await expect(listed(tab)).to_have_text(["One"])
    titles = [each["title"] for each in (await house.call("query", "conversations.list", {}))["items"]]
    assert titles == ["One"]


async def test_a_conversation_that_was_deleted_elsewhere_says_so(house: House, tab: Tab) -> None:
    house.watch.allow(NOT_FOUND)
    await tab.page.goto("/c/gone")
    await expect(tab.page.get_by_role("heading", name="There is no such conversation")).to_be_visible()


async def test_searching_finds_titles_and_messages(house: House, tab: Tab) -> None:
    await house.conversation("The moon pulls", title="Tides")
    await house.conversation("Rain and snow", title="Weather")
    await tab.page.reload()
    field = tab.page.get_by_role("searchbox", name="Search conversations")
    await field.fill("moon")
    await expect(listed(tab)).to_have_text(["Tides"])
    await field.fill("weath")
    await expect(listed(tab)).to_have_text(["Weather"])
    await field.fill("nowhere")
    await expect(tab.page.get_by_text("Nothing found for “nowhere”.")).to_be_visible()
    await field.fill("")
    await expect(listed(tab)).to_have_text(["Weather", "Tides"])


async def test_on_a_phone_the_list_lies_over_the_page(house: House) -> None:
    conversation = await house.conversation("Rivers and tides")
    tab = await house.tab(size=PHONE, has_touch=True, is_mobile=True)
    await expect(listed(tab)).to_have_count(0)
    await tab.button("Open conversations").click()
    await listed(tab).first.click()
    await tab.shows("Rivers and tides", "You said Rivers and tides")
    await expect(listed(tab)).to_have_count(0)
    assert tab.conversation == conversation


async def test_on_a_phone_nothing_lies_over_the_composer_after_a_deletion(house: House) -> None:
    for title in ("One", "Two"):
        await house.conversation(title=title)
    tab = await house.tab(size=PHONE, has_touch=True, is_mobile=True)
    await tab.button("Open conversations").click()
    await tab.button("Delete Two").click()
    await expect(tab.button("Undo")).to_be_in_viewport()
    await tab.button("Close conversations").click()
    undo, composer = tab.button("Undo"), tab.page.get_by_role("form", name="Write a message")
    await expect(undo).to_be_in_viewport(ratio=1)
    over, under = await undo.bounding_box(), await composer.bounding_box()
    assert over is not None
    assert under is not None
    assert over["y"] + over["height"] < under["y"]


async def test_the_longest_words_are_looked_for_and_fit_into_the_list(house: House, tab: Tab) -> None:
    # Each of them takes nine characters of an address.
    words = "\u6f6e" * 1000
    await tab.page.get_by_role("searchbox", name="Search conversations").fill(words)
    note = tab.page.get_by_text("Nothing found for “\u6f6e")
    await expect(note).to_be_visible()
    assert await note.evaluate("(note) => note.scrollWidth <= note.clientWidth")


# ---------- drafts


async def test_drafts_are_kept_for_each_conversation_and_over_a_reload(house: House, tab: Tab) -> None:
    one, two = [await house.conversation(title=title) for title in ("One", "Two")]
    drafts = {f"/c/{one}": "half a thought", f"/c/{two}": "another\nthought", "/": "and a new one"}
    for path, draft in drafts.items():
        await tab.page.goto(path)
        await tab.composer.fill(draft)
    for path, draft in drafts.items():
        await tab.page.goto(path)
        await expect(tab.composer).to_have_value(draft)
    await listed(tab).filter(has_text="One").click()
    await expect(tab.composer).to_have_value("half a thought")
    await tab.composer.press("Enter")
    await tab.rests()
    await tab.page.reload()
    await expect(tab.composer).to_have_value("")


async def test_an_example_comes_after_what_is_written_already(house: House, tab: Tab) -> None:
    example = "Explain how tides work, in three paragraphs."
    await tab.button(example).click()
    await expect(tab.composer).to_have_value(example)
    await tab.composer.fill("half a thought")
    await tab.button(example).click()
    await expect(tab.composer).to_have_value(f"half a thought\n\n{example}")


# ---------- the keyboard


async def test_shift_and_enter_begins_a_line_and_enter_sends(house: House, tab: Tab) -> None:
    await expect(tab.composer).to_be_focused()
    await tab.page.keyboard.type("one")
    await tab.page.keyboard.press("Shift+Enter")
    await tab.page.keyboard.type("two")
    await expect(tab.composer).to_have_value("one\ntwo")
    await tab.page.keyboard.press("Enter")
    await expect(tab.composer).to_have_value("")
    await tab.rests()
    assert house.texts(tab.conversation) == ["one\ntwo", "You said one\ntwo"]


async def test_enter_sends_nothing_while_there_is_nothing_or_something_is_being_answered(
    house: House, tab: Tab
) -> None:
    await tab.send("   ")
    await expect(tab.page).to_have_url(f"{house.url}/")
    house.playbook.script("Wait", stream(Stall()))
    await tab.ask("Wait")
    await expect(tab.button("Stop")).to_be_visible()
    await tab.send("Something else")
    await expect(tab.composer).to_have_value("Something else")
    await expect(tab.questions).to_have_text(["Wait"])


async def test_esc_stops_the_answer(house: House, tab: Tab) -> None:
    house.playbook.script("Go on for ever", endless("on and on"))
    await tab.ask("Go on for ever")
    await tab.says("on and on")
    await tab.page.keyboard.press("Escape")
    await expect(tab.answer).to_contain_text("Stopped")
    await tab.rests()


async def test_enter_in_the_switcher_waits_for_what_is_looked_for(house: House, tab: Tab) -> None:
    for title in ("Tides", "Weather"):
        await house.conversation(title=title)
    await tab.page.reload()
    await expect(listed(tab)).to_have_text(["Weather", "Tides"])
    await tab.page.keyboard.press("Control+k")
    await tab.page.keyboard.type("tides")
    await tab.page.keyboard.press("Enter")
    await expect(heading(tab, "Tides")).to_be_visible()


async def test_ctrl_k_goes_to_a_conversation(house: House, tab: Tab) -> None:
    await house.conversation("The moon pulls", title="Tides")
    await house.conversation("Rain and snow", title="Weather")
    dialog = tab.page.get_by_role("dialog", name="Switch conversation")
    await tab.is_connected()
    await tab.page.keyboard.press("Control+k")
    await expect(dialog.get_by_role("combobox")).to_be_focused()
    await tab.page.keyboard.type("moon")
    await expect(dialog.get_by_role("option").first).to_have_text("Tides")
    await tab.page.keyboard.press("Enter")
    await expect(dialog).to_be_hidden()
    await tab.shows("The moon pulls", "You said The moon pulls")
    await tab.page.keyboard.press("Control+k")
    await tab.page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(tab.composer).to_be_focused()
