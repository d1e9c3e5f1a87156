import { useEffect } from "react";
import { useConversations } from "tidewire-client/react";

import { notify } from "../shell/notices.js";

/** Says why a conversation that was removed is back. */
export function useTellRemovalProblems(): void {
  const { removalProblem } = useConversations();
  useEffect(() => {
    if (removalProblem !== null) notify(removalProblem);
  }, [removalProblem]);
}
