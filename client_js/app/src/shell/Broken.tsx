import type { ReactNode } from "react";

/** The page itself has a fault. What was said is on the server, and drafts are in the browser. */
export function Broken(): ReactNode {
  return (
    <main>
      <div className="page">
        <h1>Something went wrong here</h1>
        <p>Nothing that was sent is lost.</p>
        <button type="button" className="main-button" onClick={() => location.reload()}>
          Load the page again
        </button>
      </div>
    </main>
  );
}
