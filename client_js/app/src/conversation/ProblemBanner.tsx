import type { ReactNode } from "react";
import type { ConversationProblem } from "tidewire-client";

import { focusComposer } from "../composer/focusComposer.js";
import { AlertIcon } from "../ui/icons.js";

interface ProblemBannerProps {
  readonly problem: ConversationProblem;
  onRetry(): void;
  onDismiss(): void;
}

/** Something about the conversation does not work just now. */
export function ProblemBanner({ problem, onRetry, onDismiss }: ProblemBannerProps): ReactNode {
  const closing = (act: () => void) => (): void => {
    act();
    focusComposer();
  };
  return (
    <section className="banner" aria-label="Problem">
      <AlertIcon />
      <p>{problem.message}</p>
      <div className="banner-actions">
        {problem.retryable && (
          <button type="button" className="text-button" onClick={closing(onRetry)}>
            Retry
          </button>
        )}
        <button type="button" className="text-button" onClick={closing(onDismiss)}>
          Dismiss
        </button>
      </div>
    </section>
  );
}
