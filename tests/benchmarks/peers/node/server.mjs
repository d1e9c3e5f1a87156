// The usual Node server: @trpc/server on ws, answers from npm openai, nothing durable.
//
//   OPENAI_BASE_URL=… NODE_ENV=production node server.mjs
//
// Prints its URL once it listens on a free port.
import { randomUUID } from 'node:crypto';
import { EventEmitter, on } from 'node:events';
import http from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { initTRPC, tracked } from '@trpc/server';
import { applyWSSHandler } from '@trpc/server/adapters/ws';
import OpenAI from 'openai';
import { WebSocketServer } from 'ws';
import { z } from 'zod';

const openai = new OpenAI({ apiKey: 'none' });
const t = initTRPC.create();

/** Who watches which conversation. */
const watchers = new EventEmitter();
watchers.setMaxListeners(0);

const conversation = z.object({ conversationId: z.string() });

const conversations = t.router({
  create: t.procedure.input(z.object({})).mutation(() => ({ id: randomUUID() })),

  streamMessage: t.procedure
    .input(conversation.extend({ message: z.string() }))
    .subscription(async function* ({ input, signal }) {
      const { conversationId, message } = input;
      const epoch = randomUUID();
      let number = 0;
      const next = (event) => {
        const id = `${epoch}.${++number}`;
        watchers.emit(conversationId, id, event);
        return tracked(id, event);
      };
      const completion = await openai.chat.completions.create(
        { model: 'benchmark', stream: true, messages: [{ role: 'user', content: message }] },
        { signal },
      );
      for await (const chunk of completion) {
        const content = chunk.choices[0]?.delta?.content;
        if (content) yield next({ type: 'text_delta', content });
      }
      yield next({ type: 'complete', status: 'ok' });
    }),

  watch: t.procedure.input(conversation).subscription(async function* ({ input, signal }) {
    for await (const [id, event] of on(watchers, input.conversationId, { signal })) yield tracked(id, event);
  }),
});

const router = t.router({
  conversations,
  count: t.procedure.subscription(async function* ({ signal }) {
    for (let number = 0; !signal.aborted; number++) {
      yield number;
      // Without a turn of the event loop now and then it would never learn that the client has gone.
      if (number % 100 === 0) await setImmediate();
    }
  }),
  double: t.procedure.input(z.object({ number: z.number() })).query(({ input }) => input.number * 2),
});

const server = http.createServer();
applyWSSHandler({ wss: new WebSocketServer({ server, path: '/api/trpc' }), router });
server.listen(0, '127.0.0.1', 4096, () => console.log(`http://127.0.0.1:${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
