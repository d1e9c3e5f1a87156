// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach, expect, test, vi } from "vitest";
import type { ConnectionStatus } from "tidewire-client";

import { ActionsProvider, type RowActions } from "../src/conversation/actions.js";
import { DeliveryNote } from "../src/conversation/DeliveryNote.js";

let status: ConnectionStatus = "live";

vi.mock("tidewire-client/react", () => ({ useConnectionState: () => ({ status }) }));

afterEach(cleanup);

function show(note: ReactNode): RowActions {
  const actions: RowActions = { retry: vi.fn(), discard: vi.fn(), regenerate: vi.fn(), edit: vi.fn() };
  render(<ActionsProvider value={actions}>{note}</ActionsProvider>);
  return actions;
}

test.each([
  ["offline", "Will be sent when you are online"],
  ["reconnecting", "Will be sent when the server is back"],
  ["live", "Will be sent after this answer"],
] as const)("a message that waits says what for: %s", (now, words) => {
  status = now;
  const { discard } = show(<DeliveryNote messageKey="a" delivery="queued" problem={undefined} />);
  expect(screen.getByText(words)).toBeTruthy();
  expect(screen.queryByRole("button", { name: "Retry" })).toBeNull();
  fireEvent.click(screen.getByRole("button", { name: "Discard" }));
  expect(discard).toHaveBeenCalledWith("a");
});

test("a message that could not be sent says why, and can be sent again or given up", () => {
  const { retry, discard } = show(<DeliveryNote messageKey="a" delivery="failed" problem="Not so fast." />);
  expect(screen.getByText("Not sent. Not so fast.")).toBeTruthy();
  fireEvent.click(screen.getByRole("button", { name: "Retry" }));
  fireEvent.click(screen.getByRole("button", { name: "Discard" }));
  expect(retry).toHaveBeenCalledWith("a");
  expect(discard).toHaveBeenCalledWith("a");
});
