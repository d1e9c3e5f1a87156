// The stock client, driven line by line:
//
//   node clients/stream.mjs --url ws://127.0.0.1:8000/api/trpc [--version 11.18|11.25]
//                           [--transformer none|superjson] [--params '{"token":"…"}']
//                           [--retry-delay MS]      between attempts to connect; the client's own by default
//   node clients/stream.mjs --link sse --url http://127.0.0.1:8000/api/trpc …
//
// With `--link sse` subscriptions go over httpSubscriptionLink, and all else over httpLink.
//
// Commands come on stdin, one JSON object a line; `key` is the caller's name for the call:
//   {"op":"query"|"mutate","key":…,"path":…,"input":…}
//   {"op":"subscribe","key":…,"path":…,"input":…,"stopAfter":N}   N events, then unsubscribe
//   {"op":"stop","key":…}          unsubscribe; nothing happens if that was done before
//   {"op":"drop"}                  cut the connection without a Close frame; WebSockets only
//   {"op":"close"}                 close the client and end, as the end of stdin does
// A command without `input` passes undefined.
//
// Each callback is one JSON line {"at":…,"key":…,"event":…} on stdout, `at` in milliseconds:
//   result{data}   error{name,message,code,data}             of queries and mutations
//   started  data{data}  error{…}  stopped  complete  state{state,message,code}   of subscriptions
//   open  close{code}                                         of the WebSocket (no key)
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { EventSource } from 'eventsource';
import superjson from 'superjson';
import { WebSocket } from 'ws';

const { values: flags } = parseArgs({
  options: {
    url: { type: 'string' },
    version: { type: 'string', default: '11.25' },
    transformer: { type: 'string', default: 'none' },
    params: { type: 'string' },
    link: { type: 'string', default: 'ws' },
    'retry-delay': { type: 'string' },
  },
});
const { createTRPCClient, createWSClient, httpLink, httpSubscriptionLink, splitLink, wsLink } = await import(
  `../trpc/${flags.version}/client.mjs`
);

const print = (event, fields) =>
  process.stdout.write(`${JSON.stringify({ at: performance.now(), event, ...fields })}\n`);

const describe = (error) => ({
  name: error.name,
  message: error.message,
  code: error.data?.code ?? null,
  data: error.data ?? null,
});

// Remembers the open sockets, so that one can be cut.
const sockets = new Set();
class CuttableWebSocket extends WebSocket {
  constructor(...args) {
    super(...args);
    sockets.add(this);
    this.on('close', () => sockets.delete(this));
  }
}

const { url } = flags;
const connectionParams = flags.params ? JSON.parse(flags.params) : null;
const transformer = flags.transformer === 'superjson' ? superjson : undefined;
const retryDelay = flags['retry-delay'];

function overWebSocket() {
  const client = createWSClient({
    url,
    WebSocket: CuttableWebSocket,
    connectionParams,
    ...(retryDelay && { retryDelayMs: () => Number(retryDelay) }),
    onOpen: () => print('open'),
    onClose: (cause) => print('close', { code: cause?.code ?? null }),
  });
  const close = async () => {
    await client.close();
    // One that was still connecting emits an error first, which `once` of node:events would throw.
    await Promise.all([...sockets].map((socket) => new Promise((resolve) => socket.on('close', resolve))));
    // Where it has been waiting to connect again it would not end before that time.
    process.stdout.write('', () => process.exit());
  };
  return { link: wsLink({ client, transformer }), close };
}

function overHTTP() {
  const link = splitLink({
    condition: ({ type }) => type === 'subscription',
    true: httpSubscriptionLink({ url, transformer, EventSource, connectionParams }),
    false: httpLink({ url, transformer }),
  });
  return { link, close: () => [...subscriptions.keys()].forEach((key) => stop({ key })) };
}

const { link, close } = flags.link === 'sse' ? overHTTP() : overWebSocket();
const client = createTRPCClient({ links: [link] });

const procedure = (path) => path.split('.').reduce((node, name) => node[name], client);
const subscriptions = new Map();

async function call(method, { key, path, input }) {
  try {
    print('result', { key, data: await procedure(path)[method](input) });
  } catch (error) {
    print('error', { key, ...describe(error) });
  }
}

function subscribe({ key, path, input, stopAfter }) {
  let count = 0;
  const subscription = procedure(path).subscribe(input, {
    onStarted: () => print('started', { key }),
    onData(data) {
      print('data', { key, data });
      count += 1;
      if (count === stopAfter) stop({ key });
    },
    onError: (error) => print('error', { key, ...describe(error) }),
    onStopped: () => print('stopped', { key }),
    onComplete: () => print('complete', { key }),
    onConnectionStateChange: ({ state, error }) =>
      print('state', { key, state, ...(error && { message: error.message, code: error.data?.code ?? null }) }),
  });
  subscriptions.set(key, subscription);
}

function stop({ key }) {
  subscriptions.get(key)?.unsubscribe();
  subscriptions.delete(key);
}

function drop() {
  for (const socket of sockets) socket.terminate();
}

const commands = createInterface({ input: process.stdin });
const OPERATIONS = {
  query: (command) => call('query', command),
  mutate: (command) => call('mutate', command),
  subscribe,
  stop,
  drop,
  close: () => commands.close(),
};
for await (const line of commands) {
  const command = JSON.parse(line);
  OPERATIONS[command.op](command);
}
close();
