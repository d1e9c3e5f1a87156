import { createTidewireClient } from "tidewire-client";
import { TidewireProvider, useConversation } from "tidewire-client/react";

const client = createTidewireClient({ url: "/api/trpc" });

function Chat({ id }: { id: string }) {
  const { messages, send } = useConversation(id);
  return (
    <form action={(form) => send(String(form.get("text")))}>
      {messages.map((message) => <p key={message.key}>{message.content}</p>)}
      <input name="text" aria-label="Message" />
    </form>
  );
}

export const App = ({ id }: { id: string }) => <TidewireProvider client={client}><Chat id={id} /></TidewireProvider>;
