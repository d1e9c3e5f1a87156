import { TRPCClientError } from "@trpc/client";

import type { ErrorCode } from "../app-router.js";
import type { ConversationProblem } from "./types.js";

const RETRYABLE: ReadonlySet<string> = new Set<ErrorCode>([
  "INTERNAL_SERVER_ERROR",
  "BAD_GATEWAY",
  "SERVICE_UNAVAILABLE",
  "GATEWAY_TIMEOUT",
  "TIMEOUT",
  "CONFLICT",
  "TOO_MANY_REQUESTS",
  "CLIENT_CLOSED_REQUEST",
]);

/** What is to be sent does not fit into an address, which is how event streams are asked for. */
export class TooLongError extends Error {
  override readonly name = "TooLongError";
}

/** Whether the server was not reached; else it said no, or never will be. */
export function isLoss(error: unknown): boolean {
  return codeOf(error) === null && !isTooLong(error);
}

function isTooLong(error: unknown): error is TRPCClientError<never> & { cause: TooLongError } {
  return error instanceof TRPCClientError && error.cause instanceof TooLongError;
}

/** The server's code for a failed call; null if it was not the server that said no. */
export function codeOf(error: unknown): string | null {
  if (!(error instanceof TRPCClientError)) return null;
  const { code } = (error.data ?? {}) as { code?: unknown };
  return typeof code === "string" ? code : null;
}

/** Whether a call that failed may succeed later. */
export function isRetryable(error: unknown): boolean {
  const code = codeOf(error);
  return code === null || RETRYABLE.has(code);
}

/** What went wrong, in words a person may read. */
export function readable(error: unknown): string {
  const code = codeOf(error);
  if (code === "INTERNAL_SERVER_ERROR") return "Something went wrong on the server.";
  if (code !== null || isTooLong(error)) return (error as Error).message;
  // Proxies answer in HTML when the server behind them is not there.
  if (error instanceof TRPCClientError && error.cause instanceof SyntaxError) {
    return "The server's answer could not be read.";
  }
  return "The server cannot be reached.";
}

/** What a conversation shows of a call that failed. */
export function problemOf(error: unknown): ConversationProblem {
  return { message: readable(error), retryable: isRetryable(error) };
}
