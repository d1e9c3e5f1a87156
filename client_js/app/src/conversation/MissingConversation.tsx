import type { ReactNode } from "react";

import { navigate } from "../route.js";
import { Header } from "../shell/Header.js";

/** An address that leads nowhere. */
export function MissingConversation(): ReactNode {
  return (
    <>
      <Header title="Not found" />
      <div className="page">
        <h2>There is no such conversation</h2>
        <p>It may have been deleted.</p>
        <button type="button" className="main-button" onClick={() => navigate("/")}>
          New conversation
        </button>
      </div>
    </>
  );
}
