import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: {
    alias: [
      { find: /^tidewire-client\/react$/, replacement: `${import.meta.dirname}/src/react.tsx` },
      { find: /^tidewire-client$/, replacement: `${import.meta.dirname}/src/index.ts` },
    ],
  },
  test: {
    include: ["test/**/*.test.{ts,tsx}", "app/test/**/*.test.{ts,tsx}"],
    // Most tests wait for a server of their own.
    testTimeout: 90_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
