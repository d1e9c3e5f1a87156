import { conversationStore, createTidewireClient } from "tidewire-client";

const client = createTidewireClient({ url: "http://127.0.0.1:8000/api/trpc" });
const { id } = await client.trpc.conversations.create.mutate();
const chat = conversationStore(client, id);
chat.subscribe(() => console.log(chat.getSnapshot().messages.at(-1)?.content));
chat.actions.send("What time is it?");
