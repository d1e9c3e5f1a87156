import type { ReactNode } from "react";
import type { ConversationProblem } from "tidewire-client";
import { useConnectionState } from "tidewire-client/react";

interface UnreachableProps {
  readonly problem: ConversationProblem | null;
  readonly onRetry: () => void;
}

/** The server does not answer, or not as it should: a calm page, while those who asked try again. */
export function Unreachable({ problem, onRetry }: UnreachableProps): ReactNode {
  const isThere = useConnectionState().status === "live";
  return (
    <div className="page">
      <h2>{isThere ? "The server has a problem" : "The server cannot be reached"}</h2>
      {isThere && problem !== null && <p>{problem.message}</p>}
      <p>Nothing is lost. {problem?.retryable !== false && "This page tries again by itself."}</p>
      <button type="button" className="main-button" onClick={onRetry}>
        Try now
      </button>
    </div>
  );
}
