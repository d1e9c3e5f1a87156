import { fileURLToPath } from "node:url";

import { defineConfig } from "vite";

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

// The library in one file, for pages without a bundler: the server has it at /tidewire-client.js, beside the app.
export default defineConfig({
  publicDir: false,
  build: {
    outDir: path("../server/tidewire/chat/web/dist"),
    emptyOutDir: false,
    target: "es2023",
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: path("src/index.ts"),
      preserveEntrySignatures: "strict",
      output: { format: "es", entryFileNames: "tidewire-client.js", codeSplitting: false },
    },
  },
});
