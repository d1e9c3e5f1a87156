"""The front ends in the documents work as they stand there."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.documents import PACKAGES, files_of, preview, run, static_files, write_project
from tests.browser.house import House, housed
from tests.processes import ROOT
from tests.upstream import Stall, stream, text_answer, tool_answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALL = tool_answer([("call_1", "calculate", '{"expression": "6 * 7"}')])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder for a front end; without its packages the test is skipped."""
    if not (PACKAGES / "vite").is_dir():
        pytest.skip("needs the npm packages of client_js: run `make app`")
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


async def say(page: Page, text: str) -> None:
    await page.get_by_label("Message", exact=True).fill(text)
    await page.get_by_role("button", name="Send").click()


async def test_the_plain_react_front_end_streams_and_stops(
    browser: Browser, launcher: Path, tmp_path: Path, project: Path
) -> None:
    async with housed(browser, launcher, tmp_path) as house:
        write_project(project, files_of("docs/react.md"), house.url)
        await run(project, "tsc", "--project", ".")
        await run(project, "vite", "build", "--logLevel", "warn")
        await drive_react(house, await house.stack.enter_async_context(preview(project)))


async def drive_react(house: House, url: str) -> None:
    """A turn with a tool, a reload in mid-answer, and a stop."""
    house.watch.move(url)
    page = await (await house.context(base_url=url)).new_page()
    await page.goto("/")
    gate = asyncio.Event()
    house.playbook.script("What is 6 * 7?", CALL, text_answer("It is 42.").hold(2, gate))
    await say(page, "What is 6 * 7?")
    messages = page.get_by_label("Messages").get_by_role("listitem")
    await expect(messages.nth(0)).to_have_text("What is 6 * 7?")
    await expect(messages.nth(1)).to_contain_text("calculate: 42")
    await expect(messages.nth(1).locator("p").last).to_have_text("It")
    await page.reload()
    await expect(messages.nth(1).locator("p").last).to_have_text("It")
    gate.set()
    await expect(messages.nth(1).locator("p").last).to_have_text("It is 42.")
    await expect(messages.nth(1)).not_to_have_attribute("data-streaming", "")
    house.playbook.script("Go on for ever", stream(*text_answer("on and on and").steps[:-3], Stall()))
    await say(page, "Go on for ever")
    await expect(messages.nth(3)).to_have_text("on and on and")
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_role("button", name="Stop")).to_be_disabled()
    await expect(messages).to_have_text(
        ["What is 6 * 7?", "calculate: 42It is 42.", "Go on for ever", "on and on and"]
    )
    conversation = page.url.partition("#")[2]
    assert house.texts(conversation) == ["What is 6 * 7?", "It is 42.", "Go on for ever", "on and on and"]


async def test_the_page_without_a_bundler_streams_from_another_origin(
    browser: Browser, built: Path, launcher: Path, tmp_path: Path, project: Path
) -> None:
    async with (
        static_files(project) as url,
        housed(browser, launcher, tmp_path, TIDEWIRE_ALLOWED_ORIGINS=url) as house,
    ):
        text = (ROOT / "docs/examples/vanilla.html").read_text()
        (project / "vanilla.html").write_text(text.replace("http://127.0.0.1:8000", house.url))
        house.watch.move(url, house.url)
        page = await (await house.context(base_url=url)).new_page()
        await page.goto("/vanilla.html")
        gate = asyncio.Event()
        house.playbook.script("Hello", text_answer("Hello to you").hold(2, gate))
        await say(page, "Hello")
        messages = page.get_by_label("Messages").get_by_role("listitem")
        await expect(messages).to_have_text(["Hello", "Hello"])
        await page.reload()
        await expect(messages).to_have_text(["Hello", "Hello"])
        gate.set()
        await expect(messages).to_have_text(["Hello", "Hello to you"])
        await expect(page.get_by_role("button", name="Stop")).to_be_disabled()
        assert house.texts(page.url.partition("#")[2]) == ["Hello", "Hello to you"]
