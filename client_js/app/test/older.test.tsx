// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { OlderMessages } from "../src/conversation/OlderMessages.js";

/** Observers that are at work, by what they tell when the top of the list comes near. */
const near = new Set<() => void>();

class Observer {
  readonly #tell: () => void;

  constructor(callback: (entries: readonly { readonly isIntersecting: boolean }[]) => void) {
    this.#tell = () => callback([{ isIntersecting: true }]);
  }

  observe(): void {
    near.add(this.#tell);
  }

  disconnect(): void {
    near.delete(this.#tell);
  }
}

beforeEach(() => vi.stubGlobal("IntersectionObserver", Observer));

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const scrollUp = (): void => near.forEach((tell) => tell());

test("older messages come when somebody scrolls up to them", () => {
  const onLoad = vi.fn();
  render(<OlderMessages isLoading={false} isPaused={false} onLoad={onLoad} />);
  scrollUp();
  expect(onLoad).toHaveBeenCalledTimes(1);
});

test("older messages that are on their way are not asked for again", () => {
  const onLoad = vi.fn();
  render(<OlderMessages isLoading isPaused={false} onLoad={onLoad} />);
  scrollUp();
  fireEvent.click(screen.getByRole("button", { name: "Loading older messages…" }));
  expect(onLoad).not.toHaveBeenCalled();
});

test("older messages that did not come are asked for again only when somebody wants to", () => {
  const onLoad = vi.fn();
  const { rerender } = render(<OlderMessages isLoading={false} isPaused={false} onLoad={onLoad} />);
  rerender(<OlderMessages isLoading={false} isPaused onLoad={onLoad} />);
  scrollUp();
  expect(onLoad).not.toHaveBeenCalled();
  fireEvent.click(screen.getByRole("button", { name: "Load older messages" }));
  expect(onLoad).toHaveBeenCalledTimes(1);
  rerender(<OlderMessages isLoading={false} isPaused={false} onLoad={onLoad} />);
  scrollUp();
  expect(onLoad).toHaveBeenCalledTimes(2);
});
