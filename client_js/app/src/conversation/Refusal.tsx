import type { ReactNode } from "react";

/** Why the model declined. */
export function Refusal({ text }: { readonly text: string }): ReactNode {
  return (
    <div className="refusal">
      <strong>The model declined</strong>
      <p dir="auto">{text}</p>
    </div>
  );
}
