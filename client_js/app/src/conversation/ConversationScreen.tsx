import { type ReactNode, useCallback } from "react";
import { useConnectionState, useConversation, useModels, useTools } from "tidewire-client/react";

import { useConfig } from "../composer/choice.js";
import { Composer } from "../composer/Composer.js";
import { useDraft } from "../composer/useDraft.js";
import { Header } from "../shell/Header.js";
import { Unreachable } from "../shell/Unreachable.js";
import { ActionsProvider, useActionsWith } from "./actions.js";
import { LoadingMessages } from "./LoadingMessages.js";
import { MessageList } from "./MessageList.js";
import { MissingConversation } from "./MissingConversation.js";
import { ProblemBanner } from "./ProblemBanner.js";
import { useAnnounceTurns } from "./useAnnounceTurns.js";
import { useStopOnEscape } from "./useStopOnEscape.js";

interface ConversationScreenProps {
  readonly id: string;
  readonly visit: number;
}

/** One conversation: its messages, and where the next one is written. */
export function ConversationScreen({ id, visit }: ConversationScreenProps): ReactNode {
  const conversation = useConversation(id);
  const { status: connection } = useConnectionState();
  const config = useConfig(useModels(), useTools());
  const [draft, setDraft] = useDraft(id);
  const { status, activity, problem, send, stop, loadOlder, reload, tryAgain, dismissProblem } = conversation;
  const rowActions = useActionsWith(config, conversation);
  useAnnounceTurns(conversation);

  const onSend = useCallback(
    (text: string) => {
      send(text, config);
      setDraft("");
    },
    [send, config, setDraft],
  );
  const onStop = useCallback(() => void stop(), [stop]);
  const onLoadOlder = useCallback(() => void loadOlder(), [loadOlder]);
  const isAway = connection === "offline" || connection === "reconnecting";
  // Away from the server nothing can be stopped, but what is sent waits.
  const stopping = activity === "idle" || isAway ? null : onStop;
  useStopOnEscape(stopping);

  if (status === "missing") return <MissingConversation />;
  // What is sent before the rest has been loaded is there at once; what an earlier page has left comes with the rest.
  const isEarly = isAway || conversation.messages.some(({ delivery }) => delivery === undefined || delivery === "pending");
  const hasMessages = status === "ready" || (conversation.messages.length > 0 && (status === "failed" || isEarly));
  const isUnreachable = status === "failed" || isAway;
  return (
    <>
      <Header title={conversation.conversation?.title ?? (status === "ready" ? "New conversation" : "Conversation")} />
      <ActionsProvider value={rowActions}>
        {hasMessages ? (
          <MessageList view={conversation} onLoadOlder={onLoadOlder} />
        ) : isUnreachable ? (
          <Unreachable problem={problem} onRetry={reload} />
        ) : (
          <LoadingMessages />
        )}
      </ActionsProvider>
      <div className="dock">
        {hasMessages && problem !== null && (
          <ProblemBanner problem={problem} onRetry={tryAgain} onDismiss={dismissProblem} />
        )}
        <Composer
          text={draft}
          onChange={setDraft}
          onSend={onSend}
          onStop={stopping}
          isStopping={activity === "stopping"}
          visit={visit}
        />
      </div>
    </>
  );
}
