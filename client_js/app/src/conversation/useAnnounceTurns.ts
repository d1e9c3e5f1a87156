import { useEffect, useRef } from "react";
import type { ChatMessage, ConversationView } from "tidewire-client";

import { announce } from "../announcer.js";

/** Says when an answer begins and how it ends, and what could not be sent. */
export function useAnnounceTurns({ activity, messages, problem }: ConversationView): void {
  const isAnswering = activity === "waiting" || activity === "streaming" || activity === "stopping";
  const isBusy = isAnswering || activity === "sending";
  const last = messages.at(-1);
  const answer = last?.role === "assistant" ? last : undefined;
  const wasBusy = useRef(false);
  /** The answer that was there before. */
  const settled = useRef<string | undefined>(undefined);

  useEffect(() => {
    if (isAnswering) announce("Answering…");
  }, [isAnswering]);

  useEffect(() => {
    if (!isBusy) {
      // A short answer may be there before anything of it was seen.
      if (wasBusy.current && answer !== undefined && answer.id !== settled.current) announce(outcomeOf(answer));
      settled.current = answer?.id;
    }
    wasBusy.current = isBusy;
  }, [isBusy, answer]);

  const failure = last?.delivery === "failed" ? `Message not sent. ${last.problem ?? ""}` : null;
  useEffect(() => {
    if (failure !== null) announce(failure);
  }, [failure]);

  const trouble = problem?.message ?? null;
  useEffect(() => {
    if (trouble !== null) announce(trouble);
  }, [trouble]);
}

function outcomeOf(answer: ChatMessage): string {
  switch (answer.status) {
    case "stopped":
      return "Stopped";
    case "interrupted":
      return "The answer was interrupted";
    case "error":
      return `The answer failed. ${answer.error?.message ?? ""}`;
    default:
      return "Answer complete";
  }
}
