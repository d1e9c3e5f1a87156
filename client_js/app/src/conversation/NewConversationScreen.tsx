import { type ReactNode, useEffect, useEffectEvent, useState } from "react";
import { useConnectionState, useConversations } from "tidewire-client/react";

import { announce } from "../announcer.js";
import { Composer } from "../composer/Composer.js";
import { useDraft } from "../composer/useDraft.js";
import { navigate, pathOf } from "../route.js";
import { Header } from "../shell/Header.js";
import { Unreachable } from "../shell/Unreachable.js";
import { leaveFirstMessage } from "./firstMessage.js";
import { ProblemBanner } from "./ProblemBanner.js";
import { Welcome } from "./Welcome.js";

/** A conversation that begins with its first message: nothing is stored before. */
export function NewConversationScreen({ visit }: { readonly visit: number }): ReactNode {
  const [draft, setDraft] = useDraft("new");
  const [isCreating, setCreating] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const { status: listStatus, problem: listProblem, refetch, create } = useConversations();
  const { status: connection } = useConnectionState();
  /** What could not be sent; unless it is changed meanwhile, that is done once the server is back. */
  const [unsent, setUnsent] = useState<string | null>(null);
  const isUnreachable = listStatus === "failed" || (listStatus === "loading" && connection === "reconnecting");

  const begin = async (text: string): Promise<void> => {
    if (isCreating) return;
    setCreating(true);
    setProblem(null);
    try {
      const { id } = await create();
      leaveFirstMessage(id, text);
      setDraft("");
      navigate(pathOf(id));
    } catch (error) {
      const words = error instanceof Error ? error.message : "The conversation could not be created";
      setProblem(words);
      announce(words);
      setUnsent(text);
    } finally {
      setCreating(false);
    }
  };
  const beginUnsent = useEffectEvent(() => {
    if (unsent === draft) void begin(draft);
  });
  useEffect(() => {
    if (connection === "live") beginUnsent();
  }, [connection]);
  const onDismiss = (): void => {
    setProblem(null);
    setUnsent(null);
  };
  const isWaiting = problem !== null && connection !== "live" && unsent === draft;

  return (
    <>
      <Header title="New conversation" />
      {isUnreachable ? (
        <Unreachable
          problem={listProblem === null ? null : { message: listProblem, retryable: true }}
          onRetry={refetch}
        />
      ) : (
        <Welcome onPick={setDraft} />
      )}
      <div className="dock">
        {problem !== null && (
          <ProblemBanner
            problem={{
              message: isWaiting ? `${problem} Your message will be sent when it is back.` : problem,
              retryable: draft.trim() !== "",
            }}
            onRetry={() => void begin(draft)}
            onDismiss={onDismiss}
          />
        )}
        <Composer text={draft} onChange={setDraft} onSend={(text) => void begin(text)} onStop={null} visit={visit} />
      </div>
    </>
  );
}
