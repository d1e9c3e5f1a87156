// Records golden/*.jsonl: runs the probe against the oracle with each transformer.
//
//   node golden.mjs
//
// Needed only when the version of @trpc/server moves; the change in the files is then
// the change in the wire, scenario by scenario.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const VERSION = '11.25';
const here = fileURLToPath(new URL('.', import.meta.url));

/** Runs the probe and resolves with its output. */
async function probe(url, transformer) {
  const child = spawn(process.execPath, [join(here, 'probe.mjs'), '--url', url, '--transformer', transformer], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error('the probe failed');
  return output;
}

async function record(transformer) {
  const oracle = spawn(
    process.execPath,
    [join(here, 'oracle.mjs'), '--port', '0', '--version', VERSION, '--transformer', transformer],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  try {
    const died = once(oracle, 'exit').then(() => {
      throw new Error('the oracle did not start');
    });
    const [line] = await Promise.race([once(oracle.stdout.setEncoding('utf8'), 'data'), died]);
    died.catch(() => {}); // when we kill it below
    return await probe(line.trim(), transformer);
  } finally {
    oracle.kill();
  }
}

mkdirSync(join(here, 'golden'), { recursive: true });
for (const transformer of ['none', 'superjson']) {
  const name = `${VERSION}-${transformer}.jsonl`;
  const output = await record(transformer);
  writeFileSync(join(here, 'golden', name), output);
  console.log(`${name}: ${output.trim().split('\n').length} scenarios`);
}
