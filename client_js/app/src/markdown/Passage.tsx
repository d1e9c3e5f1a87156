import { memo, type ReactNode } from "react";
import Markdown, { type Options } from "react-markdown";

import { Catch } from "../ui/Catch.js";
import { components, safeUrl } from "./components.js";
import { gfm } from "./gfm.js";
import { heal } from "./heal.js";
import { isReadable } from "./isReadable.js";
import { directed, htmlAsText, onlyTableHead, onlyTableRows, unwrapLists, unwrapParagraphs } from "./unwrap.js";
import { usePaced } from "./usePaced.js";

const remarkPlugins: NonNullable<Options["remarkPlugins"]> = [gfm];
const rehypePlugins = {
  whole: [htmlAsText, directed],
  paragraph: [unwrapParagraphs],
  item: [unwrapLists],
  "table head": [onlyTableHead],
  "table rows": [onlyTableRows],
} satisfies Record<string, NonNullable<Options["rehypePlugins"]>>;

interface PassageProps {
  readonly text: string;
  /** Definitions of the links that `text` uses, as Markdown. */
  readonly definitions: string;
  /** What is left of the outermost element: all, the text of a paragraph, the item of a list, a part of a table. */
  readonly as: keyof typeof rehypePlugins;
  /** Whether it is still being written. */
  readonly live: boolean;
}

/** A piece of Markdown. Once it is finished it is not parsed again. */
export const Passage = memo(function Passage({ text, live, definitions, as }: PassageProps): ReactNode {
  const paced = usePaced(text, live);
  if (!isReadable(paced)) return <Unparsed text={text} as={as} />;
  return (
    <Catch fallback={<Unparsed text={text} as={as} />}>
      <Parsed text={live ? heal(paced) : paced} definitions={definitions} as={as} />
    </Catch>
  );
});

const Parsed = memo(function Parsed({ text, definitions, as }: Omit<PassageProps, "live">): ReactNode {
  return (
    <Markdown
      remarkPlugins={remarkPlugins}
      rehypePlugins={rehypePlugins[as]}
      components={components}
      urlTransform={safeUrl}
    >
      {definitions === "" ? text : `${text}\n\n${definitions}`}
    </Markdown>
  );
});

function Unparsed({ text, as }: Pick<PassageProps, "text" | "as">): ReactNode {
  if (as === "paragraph") return text;
  if (as === "item") return <li className="unparsed">{text}</li>;
  if (as !== "whole") return <UnparsedRow text={text} />;
  return (
    <p className="unparsed" dir="auto">
      {text}
    </p>
  );
}

function UnparsedRow({ text }: { readonly text: string }): ReactNode {
  return (
    <tr className="unparsed">
      <td>{text}</td>
    </tr>
  );
}
