// What a front end of the chat server gets. Compiled, never run.

import { createTRPCClient, createWSClient, wsLink } from "@trpc/client";
import type { inferRouterOutputs } from "@trpc/server";
import { expectTypeOf } from "expect-type";
import superjson from "superjson";

import type { AppRouter, Conversation, MessageEvent, Page } from "../../../client_js/app-router";

const socket = createWSClient({ url: "ws://127.0.0.1:8000/api/trpc" });
const client = createTRPCClient<AppRouter>({ links: [wsLink({ client: socket, transformer: superjson })] });

type Outputs = inferRouterOutputs<AppRouter>;

const conversation = await client.conversations.create.mutate();
expectTypeOf(conversation).toEqualTypeOf<Conversation>();
expectTypeOf(conversation.createdAt).toEqualTypeOf<Date>();
expectTypeOf(await client.conversations.list.query()).toEqualTypeOf<Page<Conversation>>();
expectTypeOf<Outputs["conversations"]["get"]["messages"][number]["role"]>().toEqualTypeOf<"user" | "assistant">();

let answer = "";

export const subscription = client.conversations.streamMessage.subscribe(
  { conversationId: conversation.id, message: "Hello", config: { temperature: 0.5, tools: [] } },
  {
    onData({ id, data: event }) {
      expectTypeOf(id).toEqualTypeOf<string>();
      expectTypeOf(event).toEqualTypeOf<MessageEvent>();
      if (event.type === "text_delta") answer += event.content;
      if (event.type === "complete") console.log(event.status, answer, event.usage?.outputTokens);
      // @ts-expect-error only some events have content
      void event.content;
    },
    onError: (error) => console.error(error.data?.code, error.message),
  },
);

// @ts-expect-error the message is missing
client.conversations.streamMessage.subscribe({ conversationId: conversation.id }, {});

// @ts-expect-error there is no such setting
void client.conversations.streamMessage.subscribe({ conversationId: "", message: "", config: { heat: 1 } }, {});
