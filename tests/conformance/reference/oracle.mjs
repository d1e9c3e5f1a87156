// Serves the reference router with the real @trpc/server, over HTTP and
// WebSockets, on one port:
//
//   node oracle.mjs [--port 3000] [--version 11.18|11.25] [--transformer none|superjson]
//
// Prints its URL once it listens. `--port 0` picks a free port.
import http from 'node:http';
import { parseArgs } from 'node:util';
import { WebSocketServer } from 'ws';
import { createRouter, limits } from './router.mjs';

const PREFIX = '/api/trpc';
const VERSIONS = ['11.18', '11.25'];
const TRANSFORMERS = ['none', 'superjson'];

const { values: flags } = parseArgs({
  options: {
    port: { type: 'string', default: '3000' },
    version: { type: 'string', default: '11.25' },
    transformer: { type: 'string', default: 'none' },
  },
});
if (!VERSIONS.includes(flags.version) || !TRANSFORMERS.includes(flags.transformer)) {
  console.error('usage: oracle.mjs [--port N] [--version 11.18|11.25] [--transformer none|superjson]');
  process.exit(2);
}

const trpc = await import(`../trpc/${flags.version}/server.mjs`);
const { TRPCError, applyWSSHandler, createHTTPHandler } = trpc;

// 11.18 lets some failures of its own error handling escape as unhandled
// rejections, which would end a real process. Keep serving, so that the
// transcript shows what the client of such a call sees: nothing.
process.on('unhandledRejection', (reason) => {
  console.error('[unhandled rejection]', reason instanceof Error ? reason.message : reason);
});

async function createContext({ info }) {
  const params = info.connectionParams;
  if (params?.slow) await new Promise((resolve) => setTimeout(resolve, 100));
  if (params?.deny) throw new TRPCError({ code: 'UNAUTHORIZED', message: 'denied' });
  return { connectionParams: params };
}

const services = { broadcastReconnect: () => {} };
const router = createRouter(trpc, flags.transformer, services);
const { maxBatchSize } = limits;

const server = http.createServer(createHTTPHandler({ router, createContext, maxBatchSize, basePath: `${PREFIX}/` }));
const wss = new WebSocketServer({ server, path: PREFIX });
const handler = applyWSSHandler({ wss, router, createContext, maxBatchSize });
services.broadcastReconnect = () => handler.broadcastReconnectNotification();

server.listen(Number(flags.port), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}${PREFIX}`);
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
