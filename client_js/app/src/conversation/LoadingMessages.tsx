import type { ReactNode } from "react";

import { Skeleton } from "./Skeleton.js";

/** Where messages will be. */
export function LoadingMessages(): ReactNode {
  return (
    <div className="log-area" aria-busy="true">
      <div className="log-content loading">
        <p className="visually-hidden">Loading messages…</p>
        <Skeleton />
        <Skeleton />
        <Skeleton />
      </div>
    </div>
  );
}
