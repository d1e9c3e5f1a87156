/**
 * Goes in as `context` of a call that has a request of its own: it leaves at once, even if the page is just being left,
 * and can be given up by its own signal. Calls in a batch wait for each other.
 */
export const AT_ONCE = { tidewireAtOnce: true };

/** Whether a call has a request of its own. */
export function isAtOnce(op: { readonly context: Readonly<Record<string, unknown>> }): boolean {
  return "tidewireAtOnce" in op.context;
}
