// Prints what a first visit loads, as gzip, and fails if that is too much. Run at the end of `npm run build`.
import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";

const LIMIT = 180; // kB of 1000 bytes, all scripts and styles that index.html names
const dist = new URL("../../../server/tidewire/chat/web/dist/", import.meta.url);

const html = await readFile(new URL("index.html", dist), "utf8");
const names = [...html.matchAll(/(?:src|href)="\/([^"]+\.(?:js|css))"/g)].map(([, name]) => name);

let total = 0;
for (const name of names) {
  const size = gzipSync(await readFile(new URL(name, dist)), { level: 9 }).length / 1000;
  total += size;
  console.log(`${size.toFixed(1).padStart(8)} kB  ${name}`);
}
console.log(`${total.toFixed(1).padStart(8)} kB  first load, of ${LIMIT} kB (gzip)`);

if (names.length === 0) throw new Error("index.html names no scripts");
if (total > LIMIT) process.exit(1);
