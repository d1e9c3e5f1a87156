import type { ReactNode } from "react";

/** As high as a line of text, which takes its place. */
export function Skeleton(): ReactNode {
  return <div className="skeleton" aria-hidden="true" />;
}
