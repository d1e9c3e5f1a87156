// The smallest relay that Node and ws allow: text is cut out of the upstream's bytes and sent on,
// without a parser, a router or a client library.
//
//   OPENAI_BASE_URL=… NODE_ENV=production node relay.mjs
import http from 'node:http';
import { WebSocketServer } from 'ws';

const upstream = `${process.env.OPENAI_BASE_URL}/chat/completions`;
const agent = new http.Agent({ keepAlive: true });
const server = http.createServer();

function relay(socket, frame) {
  const { id, params } = JSON.parse(frame);
  socket.send(`{"id":${id},"result":{"type":"started"}}`);
  const request = http.request(upstream, { method: 'POST', agent }, (response) => {
    let number = 0;
    let rest = '';
    response.setEncoding('latin1').on('data', (bytes) => {
      const events = (rest + bytes).split('\n\n');
      rest = events.pop();
      for (const event of events) {
        const start = event.indexOf('"content":"') + 11;
        if (start < 11) continue;
        const content = event.slice(start, event.indexOf('"', start));
        const key = `e.${++number}`;
        socket.send(
          `{"id":${id},"result":{"type":"data","data":{"id":"${key}","data":{"type":"text_delta","content":"${content}"}},"id":"${key}"}}`,
        );
      }
    });
    response.on('end', () => socket.send(`{"id":${id},"result":{"type":"stopped"}}`));
  });
  socket.on('close', () => request.destroy()).on('error', () => {});
  request.on('error', () => socket.terminate());
  request.end(JSON.stringify({ stream: true, messages: [{ role: 'user', content: params.input.message }] }));
}

new WebSocketServer({ server, path: '/api/trpc' }).on('connection', (socket) =>
  socket.on('message', (frame) => relay(socket, frame)),
);
server.listen(0, '127.0.0.1', 4096, () => console.log(`http://127.0.0.1:${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
