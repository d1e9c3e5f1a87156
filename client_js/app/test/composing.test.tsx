// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { EditForm } from "../src/conversation/EditForm.js";
import { RenameField } from "../src/list/RenameField.js";

beforeEach(() => {
  // jsdom has no layout.
  Element.prototype.scrollIntoView = () => {};
});

afterEach(cleanup);

/** How browsers say that Enter takes a suggestion: Safari has ended composing by then. */
const SUGGESTED = [{ isComposing: true }, { isComposing: false, keyCode: 229 }];

test.each(SUGGESTED)("Enter that takes a suggestion sends no edited message: %o", (how) => {
  const onSend = vi.fn();
  render(<EditForm text="Hello" onSend={onSend} onCancel={() => {}} />);
  const field = screen.getByRole("textbox", { name: "Edited message" });
  fireEvent.keyDown(field, { key: "Enter", ...how });
  expect(onSend).not.toHaveBeenCalled();
  fireEvent.keyDown(field, { key: "Enter", keyCode: 13 });
  expect(onSend).toHaveBeenCalledExactlyOnceWith("Hello");
});

test.each(SUGGESTED)("Enter that takes a suggestion ends no renaming: %o", (how) => {
  const onEnd = vi.fn();
  render(<RenameField title="Tides" onEnd={onEnd} />);
  const field = screen.getByRole("textbox", { name: "Title" });
  fireEvent.keyDown(field, { key: "Enter", ...how });
  expect(onEnd).not.toHaveBeenCalled();
  fireEvent.keyDown(field, { key: "Enter", keyCode: 13 });
  expect(onEnd).toHaveBeenCalledExactlyOnceWith("Tides");
});
