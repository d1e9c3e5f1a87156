// Tries every link of the stock client against `links_app.py`:
//
//   node clients/links.mjs --url http://127.0.0.1:8000 --version 11.18|11.25 --transformer none|superjson
//
// All trials run at the same time; the end of each is one JSON line {"trial":…,"failure":…} on stdout,
// with null for a success.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { EventSource } from 'eventsource';
import superjson from 'superjson';
import { WebSocket } from 'ws';

const { values: flags } = parseArgs({
  options: {
    url: { type: 'string' },
    version: { type: 'string', default: '11.25' },
    transformer: { type: 'string', default: 'none' },
  },
});
const {
  createTRPCClient,
  createWSClient,
  httpBatchLink,
  httpBatchStreamLink,
  httpLink,
  httpSubscriptionLink,
  isNonJsonSerializable,
  retryLink,
  splitLink,
  wsLink,
} = await import(`../trpc/${flags.version}/client.mjs`);

const rich = flags.transformer === 'superjson';
const transformer = rich ? superjson : undefined;
const url = `${flags.url}/api/trpc`;
const TRIAL_MS = 20_000;
const PARAMS = { token: 'ünï "t"' };

const http = (options) => httpLink({ url, transformer, ...options });
const batch = (options) => httpBatchLink({ url, transformer, ...options });
const batchStream = (options) => httpBatchStreamLink({ url, transformer, ...options });
const sse = (options) => httpSubscriptionLink({ url, transformer, EventSource, ...options });

const over = (...links) => createTRPCClient({ links });
const isSubscription = ({ type }) => type === 'subscription';

/** Runs `use` with a client over a WebSocket of its own. */
async function overWebSocket(use, options, ...links) {
  const client = createWSClient({ url: url.replace('http', 'ws'), WebSocket, ...options });
  try {
    await use(over(...links, wsLink({ client, transformer })));
  } finally {
    await client.close();
  }
}

// What a server with this transformer gives and takes.
const VALUES = rich
  ? {
      date: new Date('2024-02-29T12:34:56.789Z'),
      map: new Map([
        [1, 'one'],
        [2, { nested: true }],
      ]),
      set: new Set([3]),
      bigint: 2n ** 60n,
      undefined: undefined,
      nan: NaN,
      none: null,
    }
  : null;
const ECHOED = rich
  ? { ...VALUES, list: [undefined, -0, new Date(0)] }
  : { text: 'é\u{1f600}\u2028', list: [1, null, true, { a: [] }], empty: {} };

const checkEvent = (event) => {
  if (rich) assert.deepEqual(event, VALUES);
  else assert.equal(event.date, '2024-02-29T12:34:56.789Z');
};

/** Subscribes, and gives all events up to the end of the subscription, or up to `enough` of them. */
function collect(procedure, input, enough = Infinity) {
  return new Promise((resolve, reject) => {
    const events = [];
    const subscription = procedure.subscribe(input, {
      onData(event) {
        events.push(event);
        if (events.length === enough) {
          subscription.unsubscribe();
          resolve(events);
        }
      },
      onError: reject,
      onComplete: () => resolve(events),
    });
  });
}

async function calls(client) {
  const [echoed, undef, saved, meeting] = await Promise.all([
    client.echo.query(ECHOED),
    client.echo.query(),
    client.save.mutate(ECHOED),
    client.meet.query({ at: new Date(0) }),
  ]);
  assert.deepEqual(echoed, ECHOED);
  assert.equal(undef, undefined);
  assert.deepEqual(saved, ECHOED);
  assert.deepEqual(meeting, { at: rich ? new Date(0) : '1970-01-01T00:00:00.000Z', title: null });
  checkEvent(await client.values.query());
  await assert.rejects(client.fail.query({ name: 'é' }), (error) => {
    assert.equal(error.message, 'é');
    assert.equal(error.data.code, 'CONFLICT');
    assert.equal(error.data.path, 'fail');
    return true;
  });
  await assert.rejects(client.nope.query(), { message: /No / });
}

async function aborts(link, client) {
  const name = `${flags.version} ${link}`;
  const controller = new AbortController();
  const hanging = client.hang.query({ name }, { signal: controller.signal });
  const watching = over(http());
  await watching.until.query({ mark: `${name} begun` });
  controller.abort();
  await assert.rejects(hanging, /abort/i);
  assert.equal(await watching.until.query({ mark: `${name} cancelled` }), true);
}

async function subscribes(link, client) {
  const name = `${flags.version} ${link}`;
  const numbers = (await collect(client.count, { to: 3 })).map(({ id, data }) => [id, data.number]);
  assert.deepEqual(numbers, [['1', 1], ['2', 2], ['3', 3]]);
  const [event] = await collect(client.events);
  checkEvent(event);
  assert.deepEqual(await collect(client.hold, { name }, 1), [1]);
  assert.equal(await over(http()).until.query({ mark: `${name} cancelled` }), true);
}

async function uploads(client) {
  const form = new FormData();
  form.append('name', 'é');
  form.append('name', 'twice');
  form.append('file', new File(['content'], 'a "b".txt', { type: 'text/plain' }));
  const [first, second, file] = await client.form.mutate(form);
  assert.deepEqual([first, second], [['name', 'é'], ['name', 'twice']]);
  assert.deepEqual([file[0], file[2], file[3]], ['file', 'text/plain', 'content']);
  const bytes = new Uint8Array(300_000).fill(1);
  for (const content of [bytes, new Blob([bytes]), new File([bytes], 'a.bin')]) {
    assert.deepEqual(await client.octets.mutate(content), [300_000, 300_000]);
  }
}

async function nested(client) {
  const { now, later, numbers } = await client.parts.query();
  assert.equal(now, 1);
  assert.equal(await later, 'later');
  const got = [];
  for await (const number of numbers) got.push(number);
  assert.deepEqual(got, [0, 1, 2]);
}

/** As a stock client asks that opens a new stream by itself. */
async function resumesByInput(client) {
  const events = await collect(client.count, { to: 4, lastEventId: '2' });
  assert.deepEqual(events.map(({ data }) => [data.number, data.resumed]), [[3, '2'], [4, '2']]);
}

/** The server ends each connection after a while; the EventSource opens the next one. */
async function resumesAfterCut() {
  const client = over(sse({ url: `${flags.url}/cutting`, eventSourceOptions: { fetch: fetchImpatiently } }));
  const events = await collect(client.cut);
  assert.deepEqual(events.map(({ id, data }) => [id, data]), [['1', 1], ['2', 2], ['3', 3]]);
}

/** Tells the EventSource to reconnect without its usual three seconds of patience. */
async function fetchImpatiently(input, init) {
  const { body, headers, redirected, status, url } = await fetch(input, init);
  const hurry = new TransformStream({ start: (stream) => stream.enqueue(new TextEncoder().encode('retry: 1\n\n')) });
  return { body: body.pipeThrough(hurry), headers, redirected, status, url };
}

async function resumesByRetry(client) {
  const events = await collect(client.flaky);
  assert.deepEqual(events.map(({ data }) => data), [1, 2, 3, 4, 5, 6]);
}

const sseSplit = splitLink({
  condition: isSubscription,
  true: sse(),
  false: splitLink({ condition: ({ input }) => isNonJsonSerializable(input), true: http(), false: batch() }),
});
const retries = (options) =>
  retryLink({ retry: ({ error, attempts }) => error.data?.code === 'TIMEOUT' && attempts < 5, ...options });

const TRIALS = {
  wsLink: () => overWebSocket(calls),
  'wsLink-subscriptions': () => overWebSocket((client) => subscribes('wsLink', client)),
  'wsLink-connectionParams': () =>
    overWebSocket(async (client) => assert.deepEqual(await client.params.query(), PARAMS), {
      connectionParams: async () => PARAMS,
    }),
  'wsLink-abort': () => flags.version !== '11.18' && overWebSocket(abortsOverWebSocket),
  httpLink: () => calls(over(http())),
  'httpLink-methodOverride': () => calls(over(http({ methodOverride: 'POST' }))),
  'httpLink-uploads': () => uploads(over(http())),
  'httpLink-abort': () => aborts('httpLink', over(http())),
  'httpLink-methodOverride-abort': () => aborts('override', over(http({ methodOverride: 'POST' }))),
  httpBatchLink: () => calls(over(batch())),
  'httpBatchLink-methodOverride': () => calls(over(batch({ methodOverride: 'POST' }))),
  'httpBatchLink-abort': () => aborts('httpBatchLink', over(batch())),
  httpBatchStreamLink: () => calls(over(batchStream())),
  'httpBatchStreamLink-methodOverride': () => calls(over(batchStream({ methodOverride: 'POST' }))),
  'httpBatchStreamLink-nested': () => nested(over(batchStream())),
  'httpBatchStreamLink-abort': () => aborts('httpBatchStreamLink', over(batchStream())),
  httpSubscriptionLink: () => subscribes('httpSubscriptionLink', over(sse())),
  'httpSubscriptionLink-connectionParams': async () => {
    const client = over(sse({ connectionParams: async () => PARAMS }));
    assert.deepEqual(await collect(client.paramsOf), [PARAMS]);
  },
  'httpSubscriptionLink-lastEventId': () => resumesByInput(over(sse())),
  'httpSubscriptionLink-cut': resumesAfterCut,
  // Without a pause the wsLink of 11.18 forgets the second attempt, which has the same id, with the first.
  'retryLink-wsLink': () => overWebSocket(resumesByRetry, {}, retries({ retryDelayMs: () => 1 })),
  'retryLink-httpSubscriptionLink': () => resumesByRetry(over(retries(), sse())),
  splitLink: async () => {
    const client = over(sseSplit);
    await calls(client);
    await subscribes('splitLink', client);
    await uploads(client);
  },
};

/** The client does it by itself: over a WebSocket the server is not told of queries. 11.18 does not look at the signal. */
async function abortsOverWebSocket(client) {
  const name = `${flags.version} wsLink query`;
  const controller = new AbortController();
  const hanging = client.hang.query({ name }, { signal: controller.signal });
  await over(http()).until.query({ mark: `${name} begun` });
  controller.abort();
  await assert.rejects(hanging, /abort/i);
  assert.equal(await client.echo.query('still here'), 'still here');
}

async function run([trial, attempt]) {
  let failure = null;
  const deadline = new AbortController();
  try {
    const late = sleep(TRIAL_MS, undefined, { signal: deadline.signal }).then(() => {
      throw new Error(`not done after ${TRIAL_MS} ms`);
    });
    await Promise.race([attempt(), late]);
  } catch (error) {
    failure = error.stack ?? String(error);
  }
  deadline.abort();
  process.stdout.write(`${JSON.stringify({ trial, failure })}\n`);
}

await Promise.all(Object.entries(TRIALS).map(run));
process.exit();
