import { type ReactNode, useState } from "react";
import type { ChatMessage, ConversationView } from "tidewire-client";

import { ActionsProvider, type RowActions } from "./actions.js";
import { MessageList } from "./MessageList.js";

/** A message whose conversation is being created: it is shown like any other that is being sent. */
export function FirstMessage({ text }: { readonly text: string }): ReactNode {
  const [view] = useState(() => viewOf(text));
  return (
    <ActionsProvider value={NO_ACTIONS}>
      <MessageList view={view} onLoadOlder={NOTHING} />
    </ActionsProvider>
  );
}

function viewOf(text: string): ConversationView {
  const message: ChatMessage = {
    id: "first",
    key: "first",
    conversationId: "",
    turnId: "",
    role: "user",
    status: "ok",
    content: text,
    parts: [{ type: "text", content: text }],
    createdAt: new Date(),
    delivery: "pending",
  };
  return {
    status: "ready",
    problem: null,
    conversation: null,
    messages: [message],
    activity: "sending",
    hasOlder: false,
    loadingOlder: false,
  };
}

const NOTHING = (): void => undefined;

/** Until the server has it, nothing can be done with it. */
const NO_ACTIONS: RowActions = { retry: NOTHING, discard: NOTHING, regenerate: NOTHING, edit: NOTHING };
