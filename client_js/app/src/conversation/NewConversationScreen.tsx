import { type ReactNode, useEffect, useEffectEvent, useRef, useState } from "react";
import { conversationStore } from "tidewire-client";
import { useConnectionState, useConversations, useModels, useTidewire, useTools } from "tidewire-client/react";

import { announce } from "../announcer.js";
import { useConfig } from "../composer/choice.js";
import { Composer } from "../composer/Composer.js";
import { keepDraft, useDraft } from "../composer/useDraft.js";
import { navigate, pathOf } from "../route.js";
import { Header } from "../shell/Header.js";
import { notify } from "../shell/notices.js";
import { Unreachable } from "../shell/Unreachable.js";
import { FirstMessage } from "./FirstMessage.js";
import { ProblemBanner } from "./ProblemBanner.js";
import { Welcome } from "./Welcome.js";

/** Between what is written already and what comes after it. */
const GAP = "\n\n";

/** A conversation that begins with its first message: nothing is stored before. */
export function NewConversationScreen({ visit }: { readonly visit: number }): ReactNode {
  const client = useTidewire();
  const config = useConfig(useModels(), useTools());
  /** Begins with what is being sent, so that nothing is lost if that fails, or the page is left. */
  const [kept, keep] = useDraft("new");
  const [sending, setSending] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const { status: listStatus, problem: listProblem, refetch, create } = useConversations();
  const { status: connection } = useConnectionState();
  /** What could not be sent; unless it is changed meanwhile, that is done once the server is back. */
  const [unsent, setUnsent] = useState<string | null>(null);
  const draft = sending === null ? kept : kept.slice(sending.length + GAP.length);
  const latest = useRef(kept);
  useEffect(() => {
    latest.current = kept;
  });
  const isHere = useRef(false);
  useEffect(() => {
    isHere.current = true;
    return () => {
      isHere.current = false;
    };
  }, []);
  const isUnreachable = listStatus === "failed" || (listStatus === "loading" && connection === "reconnecting");

  const setDraft = (text: string): void => {
    keep(sending === null ? text : text === "" ? sending : `${sending}${GAP}${text}`);
  };
  const begin = async (text: string): Promise<void> => {
    if (sending !== null) return;
    setSending(text);
    setProblem(null);
    try {
      const { id } = await create();
      const store = conversationStore(client, id);
      store.actions.send(text, config);
      // Also if nobody waits for it: its title belongs into the list.
      store.sendWaiting();
      const rest = latest.current.slice(text.length + GAP.length);
      if (isHere.current) {
        keep("");
        keepDraft(id, rest);
        navigate(pathOf(id));
      } else {
        keep(rest);
      }
    } catch (error) {
      const words = error instanceof Error ? error.message : "The conversation could not be created";
      if (isHere.current) announce(words);
      else notify(`Not sent. ${words}`);
      setProblem(words);
      setUnsent(text);
    } finally {
      setSending(null);
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
      {sending !== null ? (
        <FirstMessage text={sending} />
      ) : isUnreachable ? (
        <Unreachable
          problem={listProblem === null ? null : { message: listProblem, retryable: true }}
          onRetry={refetch}
        />
      ) : (
        <Welcome onPick={(example) => setDraft(draft.trim() === "" ? example : `${draft}${GAP}${example}`)} />
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
        <Composer
          text={draft}
          onChange={setDraft}
          onSend={(text) => void begin(text)}
          isSending={sending !== null}
          onStop={null}
          visit={visit}
        />
      </div>
    </>
  );
}
