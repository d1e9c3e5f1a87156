import { describe, expect, test } from "vitest";

import { type Block, BlockReader, definitionsIn } from "../src/markdown/blocks.js";

const read = (text: string): readonly Block[] => new BlockReader().read(text);

const EVERYTHING = `# Title
Text that goes on
for two lines.

1. one
   \`\`\`js
   - not an item

   2. nor this
   \`\`\`
2. two

   more of two
   - nested

3. three
lazily continued

- other list
***
| a | b |
| - | - |
| 1 | 2 |

> quoted
> more

    indented

    code

\`\`\`\`md
\`\`\`
inner
\`\`\`
\`\`\`\`
~~~
open
`;

describe("a text is cut into blocks", () => {
  test("at blank lines, and where something else begins", () => {
    expect(read(EVERYTHING)).toEqual([
      { type: "markdown", text: "# Title" },
      { type: "markdown", text: "Text that goes on\nfor two lines." },
      {
        type: "list",
        start: 1,
        items: [
          "1. one\n   ```js\n   - not an item\n\n   2. nor this\n   ```\n",
          "2. two\n\n   more of two\n   - nested\n\n",
          "3. three\nlazily continued\n\n",
        ],
      },
      { type: "list", start: null, items: ["- other list\n"] },
      { type: "markdown", text: "***" },
      { type: "table", head: "| a | b |\n| - | - |", groups: ["| 1 | 2 |"] },
      { type: "markdown", text: "> quoted\n> more" },
      { type: "markdown", text: "    indented\n\n    code" },
      { type: "code", language: "md", code: "```\ninner\n```", closed: true },
      { type: "code", language: "", code: "open\n", closed: false },
    ]);
  });

  test("the same, however it came", () => {
    for (const size of [1, 2, 3, 7, 20]) {
      const reader = new BlockReader();
      for (let end = 0; end < EVERYTHING.length; end += size) reader.read(EVERYTHING.slice(0, end));
      expect(reader.read(EVERYTHING)).toEqual(read(EVERYTHING));
    }
  });

  test("anew when it is another text", () => {
    const reader = new BlockReader();
    reader.read("one\n\ntwo");
    expect(reader.read("one")).toEqual([{ type: "markdown", text: "one" }]);
    expect(reader.read("")).toEqual([]);
  });

  test("and finished blocks stay the same objects", () => {
    const reader = new BlockReader();
    const [first] = reader.read("first\n\nsecond, long enough");
    expect(reader.read("first\n\nsecond, long enough\n\nthird")[0]).toBe(first);
  });

  test("a numbered list that is interrupted goes on counting", () => {
    expect(read("1. one\n\ntext\n\n2. two")[2]).toEqual({ type: "list", start: 2, items: ["2. two"] });
  });

  test("lines may end as on Windows", () => {
    expect(read("one\r\n\r\n```\r\ncode\r\n```\r\n").map(({ type }) => type)).toEqual(["markdown", "code"]);
  });
});

describe("a code block", () => {
  test("that is open ends where the text ends", () => {
    expect(read("```py\nprint()")).toEqual([{ type: "code", language: "py", code: "print()", closed: false }]);
  });

  test("does not show the beginning of the fence that closes it", () => {
    expect(read("```py\nprint()\n``")).toEqual([{ type: "code", language: "py", code: "print()", closed: false }]);
  });

  test("may be empty", () => {
    expect(read("```\n```")).toEqual([{ type: "code", language: "", code: "", closed: true }]);
  });

  test("is not closed by a shorter fence", () => {
    expect(read("~~~~\n~~~\n~~~~")).toEqual([{ type: "code", language: "", code: "~~~", closed: true }]);
  });
});

describe("a long paragraph", () => {
  const long = "Some words, **some of them bold**, and `code` with [a link](https://example.com/a). ".repeat(100);

  test("is cut into pieces that nothing spans", () => {
    const [block] = read(long.trim());
    if (block?.type !== "paragraph") throw new Error("It is not cut");
    expect(block.pieces.join("")).toBe(long.trim());
    expect(Math.max(...block.pieces.map(({ length }) => length))).toBeLessThan(1_000);
    for (const piece of block.pieces) {
      expect(piece.split("**").length % 2).toBe(1);
      expect(piece.split("[").length).toBe(piece.split(")").length);
    }
  });

  test("is cut at the same places when it gets longer", () => {
    const pieces = (text: string): readonly string[] => {
      const [block] = read(text);
      return block?.type === "paragraph" ? block.pieces : [];
    };
    const before = pieces(long.slice(0, 3_000));
    expect(pieces(long).slice(0, before.length - 1)).toEqual(before.slice(0, -1));
  });

  test("is cut in spite of a bracket that nobody closes", () => {
    const [block] = read(`An open ( bracket ${"and words ".repeat(2_000)}`);
    expect(block?.type === "paragraph" && block.pieces.length).toBeGreaterThan(3);
  });
});

describe("a table", () => {
  test("is cut into groups of rows", () => {
    const [block] = read(`a \\| b | c\n--- | :-:\n${"1 | 2\n".repeat(50)}`);
    if (block?.type !== "table") throw new Error("It is none");
    expect(block.groups.map((group) => group.split("\n").length)).toEqual([20, 20, 10]);
  });

  test.each(["a | b\n---\n1 | 2", "a\n---", "| a |\n| x |", "| a | b |"])("%j is none", (text) => {
    expect(read(text)).toEqual([{ type: "markdown", text }]);
  });
});

describe("links by label", () => {
  test("find their definitions, and the last one counts", () => {
    const blocks = read("[One] and [two]\n\n[one]: https://example.com/1\n[Two]: https://example.com/2\n");
    expect([...definitionsIn(blocks).values()]).toEqual([
      "[one]: https://example.com/1",
      "[Two]: https://example.com/2",
    ]);
  });

  test("are no footnotes: those stay text", () => {
    expect(read("Text[^1]\n\n[^1]: A note")[1]).toEqual({ type: "markdown", text: "\\[^1]: A note" });
  });
});
