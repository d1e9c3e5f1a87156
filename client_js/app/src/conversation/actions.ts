import { createContext, useContext, useMemo } from "react";
import type { AIConfig, ConversationActions } from "tidewire-client";

import { focusComposer } from "../composer/focusComposer.js";

/** What the rows of a conversation can do; the same object as long as nothing about it changes. */
export interface RowActions {
  retry(key: string): void;
  discard(key: string): void;
  regenerate(messageId: string): void;
  edit(messageId: string, text: string): void;
}

const ActionsContext = createContext<RowActions | null>(null);

export const ActionsProvider = ActionsContext.Provider;

export function useRowActions(): RowActions {
  const actions = useContext(ActionsContext);
  if (actions === null) throw new Error("A message is shown outside of a conversation");
  return actions;
}

/** A conversation's actions for its rows, with what was chosen for answers. The button pressed is gone after each. */
export function useActionsWith(config: AIConfig, actions: ConversationActions): RowActions {
  const { retry, discard, regenerate, edit } = actions;
  return useMemo(
    () => ({
      retry: (key) => {
        retry(key);
        focusComposer();
      },
      discard: (key) => {
        discard(key);
        focusComposer();
      },
      regenerate: (messageId) => {
        regenerate(messageId, config);
        focusComposer();
      },
      edit: (messageId, text) => {
        edit(messageId, text, config);
        focusComposer();
      },
    }),
    [config, retry, discard, regenerate, edit],
  );
}
