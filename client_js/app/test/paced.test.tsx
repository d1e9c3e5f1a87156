// @vitest-environment jsdom
import { act, cleanup, renderHook } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { usePaced } from "../src/markdown/usePaced.js";

beforeEach(() => vi.useFakeTimers());

afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

const textOf = (length: number): string => "x".repeat(length);

test("a text that grows beyond where it is paced does not fall back to its beginning", () => {
  const { result, rerender } = renderHook(({ text }) => usePaced(text, true), { initialProps: { text: "x" } });
  rerender({ text: textOf(999) });
  expect(result.current).toHaveLength(999);
  rerender({ text: textOf(1_100) });
  expect(result.current).toHaveLength(999);
  rerender({ text: textOf(1_200) });
  act(() => vi.advanceTimersByTime(100));
  expect(result.current).toHaveLength(1_200);
});

test("a text that is finished is shown as it is", () => {
  const { result, rerender } = renderHook(({ text, live }) => usePaced(text, live), {
    initialProps: { text: textOf(2_000), live: true },
  });
  rerender({ text: textOf(2_500), live: true });
  expect(result.current).toHaveLength(2_000);
  rerender({ text: textOf(2_600), live: false });
  expect(result.current).toHaveLength(2_600);
});
