export { initTRPC, tracked, TRPCError } from '@trpc/server';
export { createHTTPHandler } from '@trpc/server/adapters/standalone';
export { applyWSSHandler } from '@trpc/server/adapters/ws';
export { octetInputParser } from '@trpc/server/http';
