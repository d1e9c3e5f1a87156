import { memo, type ReactNode, useState } from "react";

import { type Block, BlockReader, definitionsIn } from "./blocks.js";
import { CodeBlock } from "./CodeBlock.js";
import { ScrollingTable } from "./components.js";
import { Passage } from "./Passage.js";

interface MarkdownTextProps {
  readonly text: string;
  /** Whether it ends in the middle of something: more may follow, or it was cut off. */
  readonly live?: boolean;
}

/** A message's text. Blocks that are finished are neither parsed nor rendered again. */
export function MarkdownText({ text, live = false }: MarkdownTextProps): ReactNode {
  const [reader] = useState(() => new BlockReader());
  const blocks = reader.read(text);
  const definitions = definitionsIn(blocks);
  return (
    <div className="prose">
      {blocks.map((block, index) => (
        <MarkdownBlock
          key={`${index} ${block.type}`}
          block={block}
          definitions={definitions.size === 0 ? "" : definitionsUsed(block, definitions)}
          live={live && index === blocks.length - 1}
        />
      ))}
    </div>
  );
}

interface MarkdownBlockProps {
  readonly block: Block;
  readonly definitions: string;
  readonly live: boolean;
}

const MarkdownBlock = memo(function MarkdownBlock({ block, definitions, live }: MarkdownBlockProps): ReactNode {
  switch (block.type) {
    case "code":
      return <CodeBlock code={block.code} language={block.language} closed={block.closed || !live} />;
    case "markdown":
      return <Passage text={block.text} definitions={definitions} as="whole" live={live} />;
    case "paragraph":
      return <p dir="auto">{pieces(block.pieces, "paragraph", definitions, live)}</p>;
    case "table":
      return (
        <ScrollingTable>
          <Passage text={block.head} definitions={definitions} as="table head" live={false} />
          <tbody>{pieces(block.groups.map((rows) => `${block.head}\n${rows}`), "table rows", definitions, live)}</tbody>
        </ScrollingTable>
      );
    case "list": {
      const items = pieces(block.items, "item", definitions, live);
      return block.start === null ? (
        <ul dir="auto">{items}</ul>
      ) : (
        <ol dir="auto" start={block.start}>
          {items}
        </ol>
      );
    }
  }
});

function pieces(texts: readonly string[], as: "paragraph" | "item" | "table rows", definitions: string, live: boolean): ReactNode {
  return texts.flatMap((text, index) => {
    const isLast = index === texts.length - 1;
    return [
      <Passage key={index} text={text} definitions={definitions} as={as} live={live && isLast} />,
      // The parser drops the space at a piece's end.
      as === "paragraph" && !isLast ? " " : null,
    ];
  });
}

function definitionsUsed(block: Block, definitions: ReadonlyMap<string, string>): string {
  const text = textOf(block).toLowerCase();
  return [...definitions]
    .filter(([label]) => text.includes(`[${label}]`))
    .map(([, line]) => line)
    .join("\n");
}

function textOf(block: Block): string {
  switch (block.type) {
    case "code":
      return "";
    case "markdown":
      return block.text;
    case "paragraph":
      return block.pieces.join("");
    case "table":
      return block.head + block.groups.join("");
    case "list":
      return block.items.join("");
  }
}
