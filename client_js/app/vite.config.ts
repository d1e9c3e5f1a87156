import { fileURLToPath } from "node:url";

import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** Where `npm run dev` finds a server. */
const server = process.env["TIDEWIRE_URL"] ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react()],
  resolve: {
    alias: [
      { find: /^tidewire-client\/react$/, replacement: path("../src/react.tsx") },
      { find: /^tidewire-client$/, replacement: path("../src/index.ts") },
    ],
  },
  build: {
    outDir: path("../../server/tidewire/chat/web/dist"),
    emptyOutDir: true,
    // light-dark() and nesting stay as they are written: all browsers have had them since May 2024.
    target: ["chrome123", "firefox121", "safari17.5"],
    // One style sheet for all, and nothing as data: URL: the page's policy allows files from here only.
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // scripts/size.mjs is what watches over the size.
    chunkSizeWarningLimit: 1_000,
  },
  server: { proxy: { "/api": { target: server, ws: true } } },
});
