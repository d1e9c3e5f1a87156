import { memo, type ReactNode } from "react";

import { CopyButton } from "../ui/CopyButton.js";
import { chunksOfLines } from "./codeChunks.js";
import { useFollowEnd } from "./useFollowEnd.js";
import { useHighlighted } from "./useHighlighted.js";

interface CodeBlockProps {
  readonly code: string;
  /** What the fence says; empty if it says nothing. */
  readonly language: string;
  /** False while more may follow. */
  readonly closed: boolean;
}

/** Code with its language and a button to copy it. It scrolls by itself when it is long. */
export const CodeBlock = memo(function CodeBlock({ code, language, closed }: CodeBlockProps): ReactNode {
  const highlighted = useHighlighted(code, language, closed);
  const box = useFollowEnd<HTMLPreElement>(code, !closed);
  const name = language === "" ? "Code" : `Code, ${language}`;
  return (
    <figure className="code-block" dir="ltr">
      <figcaption>
        <span>{language === "" ? "text" : language}</span>
        <CopyButton label="Copy code" text={code} />
      </figcaption>
      <pre ref={box} tabIndex={0} role="group" aria-label={name}>
        <code>{highlighted ?? chunksOf(code)}</code>
      </pre>
    </figure>
  );
});

/** Text in chunks, of which only the last one changes while code is being written. */
function chunksOf(code: string): ReactNode {
  return chunksOfLines(code).map((chunk, index) => <Chunk key={index} text={chunk} />);
}

const Chunk = memo(function Chunk({ text }: { readonly text: string }): ReactNode {
  return <span className="code-chunk">{text}</span>;
});
