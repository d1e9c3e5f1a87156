import { createTidewireClient, foldEvents, type MessageEvent } from "tidewire-client";

const { trpc } = createTidewireClient({ url: "http://127.0.0.1:8000/api/trpc" });
const { id: conversationId } = await trpc.conversations.create.mutate();
const events: MessageEvent[] = [];
trpc.conversations.streamMessage.subscribe(
  { conversationId, message: "What time is it?", clientMessageId: crypto.randomUUID() },
  {
    onData: ({ data }) => events.push(data),
    onComplete: () => console.log(foldEvents(events).content),
  },
);
