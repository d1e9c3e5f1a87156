import type { ReactNode } from "react";

import { MarkIcon } from "../ui/icons.js";

const EXAMPLES = [
  "What time is it, and what is 6 * 7?",
  "Explain how tides work, in three paragraphs.",
  "Write a Python function that parses an ISO 8601 duration.",
];

/** What an empty conversation shows. */
export function Welcome({ onPick }: { readonly onPick: (text: string) => void }): ReactNode {
  return (
    <div className="page welcome">
      <MarkIcon />
      <h2>What is on your mind?</h2>
      <ul aria-label="Examples">
        {EXAMPLES.map((example) => (
          <li key={example}>
            <button
              type="button"
              className="example"
              onClick={() => {
                onPick(example);
                document.getElementById("composer")?.focus();
              }}
            >
              {example}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
