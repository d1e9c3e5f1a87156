// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { ThemeSwitch } from "../src/shell/ThemeSwitch.js";

let isSystemDark = false;

beforeEach(() => {
  isSystemDark = false;
  localStorage.clear();
  vi.stubGlobal("matchMedia", () => ({
    matches: isSystemDark,
    addEventListener: () => {},
    removeEventListener: () => {},
  }));
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

/** What a page shows that was just loaded. */
function load(): HTMLElement {
  cleanup();
  delete document.documentElement.dataset["theme"];
  render(<ThemeSwitch />);
  return screen.getByRole("switch", { name: "Dark theme" });
}

const shown = (): string | undefined => document.documentElement.dataset["theme"];

test.each([false, true])("the system's theme is taken, dark: %s", (isDark) => {
  isSystemDark = isDark;
  expect(load().getAttribute("aria-checked")).toBe(String(isDark));
  expect(shown()).toBeUndefined();
});

test("another theme is kept over a reload", () => {
  fireEvent.click(load());
  expect(shown()).toBe("dark");
  expect(load().getAttribute("aria-checked")).toBe("true");
  expect(shown()).toBe("dark");
});

test("who goes back to the system's theme follows it again", () => {
  fireEvent.click(load());
  fireEvent.click(screen.getByRole("switch"));
  expect(shown()).toBeUndefined();
  isSystemDark = true;
  expect(load().getAttribute("aria-checked")).toBe("true");
  expect(shown()).toBeUndefined();
});
