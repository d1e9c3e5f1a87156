import { memo, type ReactNode } from "react";
import type { ToolCallPart } from "tidewire-client";

import { AlertIcon, CheckIcon, ChevronIcon } from "../ui/icons.js";
import { inOneLine, pretty } from "./pretty.js";

/** A tool call: one line, with all of it below for those who open it. */
export const ToolCall = memo(function ToolCall({ call }: { readonly call: ToolCallPart }): ReactNode {
  const state = call.done !== true ? "running" : call.isError === true ? "failed" : "done";
  return (
    <details className="fold tool-call" data-state={state} aria-label={`Tool call ${call.toolName}`}>
      <summary>
        <ChevronIcon />
        <code className="tool-name">{call.toolName}</code>
        <span className="tool-gist">{gistOf(call)}</span>
        <ToolState state={state} durationMs={call.durationMs} />
      </summary>
      <dl>
        <dt>Arguments</dt>
        <dd>
          <pre tabIndex={0}>{pretty(call.args)}</pre>
        </dd>
        {call.done === true && (
          <>
            <dt>{call.isError === true ? "Error" : "Result"}</dt>
            <dd>
              <pre tabIndex={0}>{pretty(call.result)}</pre>
            </dd>
          </>
        )}
      </dl>
    </details>
  );
});

function gistOf({ args, done, result }: ToolCallPart): string {
  const question = inOneLine(args);
  return done === true ? `${question} → ${inOneLine(result)}` : question;
}

interface ToolStateProps {
  readonly state: "running" | "failed" | "done";
  readonly durationMs: number | undefined;
}

function ToolState({ state, durationMs }: ToolStateProps): ReactNode {
  const took = durationMs === undefined ? "" : durationOf(durationMs);
  switch (state) {
    case "running":
      return (
        <span className="tool-state">
          <span className="spinner" aria-hidden="true" /> Running…
        </span>
      );
    case "failed":
      return (
        <span className="tool-state">
          <AlertIcon /> Failed {took}
        </span>
      );
    case "done":
      return (
        <span className="tool-state">
          <CheckIcon /> <span className="visually-hidden">Done </span>
          {took}
        </span>
      );
  }
}

function durationOf(milliseconds: number): string {
  return milliseconds < 1_000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1_000).toFixed(1)} s`;
}
