// @vitest-environment jsdom
import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, test } from "vitest";

import { MarkdownText } from "../src/markdown/MarkdownText.js";

afterEach(cleanup);

function shown(text: string, live = false): HTMLElement {
  return render(<MarkdownText text={text} live={live} />).container;
}

describe("what a model writes is not trusted", () => {
  test("HTML is shown as text", () => {
    const page = shown("Before\n\n<script>alert(1)</script>\n\n- <img src=x onerror=alert(1)>\n\na <b>word</b>");
    expect(page.querySelector("script, img, b")).toBeNull();
    expect(page.textContent).toContain("<script>alert(1)</script>");
    expect(page.textContent).toContain("<img src=x onerror=alert(1)>");
  });

  test("links open elsewhere, and tell nothing", () => {
    shown("[a page](https://example.com/a)");
    const link = screen.getByRole("link", { name: "a page" });
    expect(link.getAttribute("rel")).toBe("noopener noreferrer nofollow");
    expect(link.getAttribute("target")).toBe("_blank");
  });

  test.each(["javascript:alert(1)", "data:text/html,x", "vbscript:x", "/c/other", "//example.com", " javascript:x"])(
    "%s is no link",
    (address) => {
      const page = shown(`[label](<${address}>) ![image](<${address}>)`);
      expect(page.querySelector("a")).toBeNull();
      expect(page.textContent).toBe("label image");
    },
  );

  test("images are not loaded, but can be followed", () => {
    const page = shown("![a map](https://example.com/map.png)");
    expect(page.querySelector("img")).toBeNull();
    expect(screen.getByRole("link", { name: "a map" }).getAttribute("href")).toBe("https://example.com/map.png");
  });
});

describe("Markdown", () => {
  test("a list that is parsed item by item is one list", () => {
    const page = shown("3. three\n4. **four**\n   - nested\n\n5. five");
    const list = page.querySelector(".prose > ol");
    expect(list?.getAttribute("start")).toBe("3");
    expect(list?.querySelectorAll(":scope > li")).toHaveLength(3);
    expect(list?.querySelector("ul > li")?.textContent).toBe("nested");
  });

  test("a long paragraph is one paragraph", () => {
    const text = `${"Words and **bold ones** follow. ".repeat(100)}End.`;
    const page = shown(text);
    expect(page.querySelectorAll("p")).toHaveLength(1);
    expect(page.textContent).toBe(text.replaceAll("**", ""));
  });

  test("a table that is parsed in groups is one table", () => {
    const page = shown(`| a | b |\n| - | -: |\n${"| **1** | 2 |\n".repeat(50)}`);
    expect(page.querySelectorAll("table")).toHaveLength(1);
    expect(page.querySelectorAll("thead > tr > th")).toHaveLength(2);
    expect(page.querySelectorAll("tbody")).toHaveLength(1);
    expect(page.querySelectorAll("tbody > tr > td > strong")).toHaveLength(50);
  });

  test("links by label are found in other blocks", () => {
    shown("See [the docs][d].\n\n[d]: https://example.com/docs");
    expect(screen.getByRole("link", { name: "the docs" }).getAttribute("href")).toBe("https://example.com/docs");
  });

  test("headings come below those of the page", () => {
    shown("# One\n\n###### Six");
    expect(screen.getByRole("heading", { name: "One", level: 3 })).toBeDefined();
    expect(screen.getByRole("heading", { name: "Six", level: 6 })).toBeDefined();
  });

  test("code can be copied", () => {
    shown("```js\nconst a = 1;\n```\n\n- in a list\n  ```\n  b\n  ```");
    expect(screen.getAllByRole("button", { name: "Copy code" })).toHaveLength(2);
    expect(screen.getByRole("group", { name: "Code, js" }).textContent).toBe("const a = 1;");
    expect(screen.getByRole("group", { name: "Code" }).textContent).toBe("b");
  });
});

describe("what no parser should be given is shown as it is", () => {
  test.each([
    ["one word", "w".repeat(9_000)],
    ["deep quotations", `${"> ".repeat(2_000)}deep`],
    ["deep lists", `${"* - ".repeat(2_000)}deep`],
    ["brackets", "[".repeat(5_000)],
    ["emphasis", "*_".repeat(2_500)],
    ["a list's item", `- ${"[".repeat(5_000)}`],
    ["a row", `| a |\n| - |\n| ${"[".repeat(5_000)} |`],
  ])("%s", (_what, text) => {
    const start = performance.now();
    expect(shown(text, true).textContent).toContain(text.slice(-1_000).trim());
    expect(performance.now() - start).toBeLessThan(1_000);
  });
});

test("finished blocks are left alone while the text goes on", () => {
  const { container, rerender } = render(<MarkdownText text={"One **bold**\n\n- a\n- b"} live />);
  const [paragraph, list] = container.querySelector(".prose")?.children ?? [];
  const [first] = list?.children ?? [];
  rerender(<MarkdownText text={"One **bold**\n\n- a\n- b\n- c\n\n```js\nlet"} live />);
  expect(container.querySelector(".prose")?.children[0]).toBe(paragraph);
  expect(container.querySelector(".prose")?.children[1]?.children[0]).toBe(first);
  const code = container.querySelector("pre");
  rerender(<MarkdownText text={"One **bold**\n\n- a\n- b\n- c\n\n```js\nlet x;\n```"} />);
  expect(container.querySelector("pre")).toBe(code);
});
