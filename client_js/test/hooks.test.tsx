// @vitest-environment jsdom
import { act, cleanup, renderHook, waitFor } from "@testing-library/react";
import { StrictMode, useState, type ReactNode } from "react";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

import type { TidewireClient } from "../src/index.js";
import { newLetter } from "../src/conversation/letters.js";
import { Outbox } from "../src/outbox.js";
import {
  TidewireProvider,
  useConnectionState,
  useConversation,
  useConversations,
  useModels,
  useTidewire,
  useTools,
} from "../src/react.js";
import { Server } from "./server.js";
import { clientOf, created, plain, stored } from "./support.js";

let server: Server;

beforeAll(async () => {
  server = await Server.start({ delay: 0.01 });
});

afterEach(() => {
  cleanup();
  sessionStorage.clear();
  localStorage.clear();
});
afterAll(() => server.close());

const WAIT = { timeout: 20_000 };

function rendered<T>(client: TidewireClient, hook: () => T) {
  const wrapper = ({ children }: { readonly children: ReactNode }) => (
    <StrictMode>
      <TidewireProvider client={client}>{children}</TidewireProvider>
    </StrictMode>
  );
  return renderHook(hook, { wrapper }).result;
}

const ids = (conversations: readonly { readonly id: string }[]): string[] => conversations.map(({ id }) => id);

test("useConversation follows a turn", async () => {
  const client = clientOf(server.url);
  const id = await created(client);
  const seen = rendered(client, () => useConversation(id));
  expect(seen.current.status).toBe("loading");
  await waitFor(() => expect(seen.current.status).toBe("ready"), WAIT);
  act(() => seen.current.send("Hello, hooks"));
  expect(seen.current.messages[0]).toMatchObject({ content: "Hello, hooks", delivery: "pending" });
  await waitFor(() => expect(seen.current.activity).toBe("streaming"), WAIT);
  const question = seen.current.messages[0];
  await waitFor(() => expect(seen.current.activity).toBe("idle"), WAIT);
  expect(seen.current.messages[0]).toBe(question);
  expect(seen.current.messages.map(plain)).toEqual(await stored(client, id));
});

test("useConversation shares one store among all who show a conversation", async () => {
  const client = clientOf(server.url);
  const id = await created(client);
  const [one, other] = [rendered(client, () => useConversation(id)), rendered(client, () => useConversation(id))];
  await waitFor(() => expect(one.current.status).toBe("ready"), WAIT);
  expect(other.current.messages).toBe(one.current.messages);
});

test("what the page before has left to be sent is sent, whatever this one shows", async () => {
  const client = clientOf(server.url, { outbox: localStorage });
  const id = await created(client);
  const outbox = new Outbox(localStorage);
  outbox.keep(newLetter(id, "Left over", undefined, "queued"));
  outbox.keep({ ...newLetter(id, "And more", undefined, "queued"), at: Date.now() + 1 });
  rendered(client, useConnectionState);
  const asked = [{ content: "Left over" }, {}, { content: "And more" }, {}];
  await waitFor(async () => expect(await stored(client, id)).toMatchObject(asked), WAIT);
  await waitFor(() => expect(localStorage).toHaveLength(0), WAIT);
});

describe("useConversations", () => {
  test("creates, and shows titles as they come", async () => {
    const client = clientOf(server.url);
    const list = rendered(client, () => useConversations());
    await waitFor(() => expect(list.current.status).toBe("ready"), WAIT);
    const { id } = await act(() => list.current.create());
    await waitFor(() => expect(ids(list.current.conversations)[0]).toBe(id), WAIT);
    const second = await act(() => list.current.create("Second"));
    await waitFor(() => expect(ids(list.current.conversations).slice(0, 2)).toEqual([second.id, id]), WAIT);

    const both = rendered(client, () => ({ list: useConversations(), chat: useConversation(id) }));
    await waitFor(() => expect(both.current.chat.status).toBe("ready"), WAIT);
    await waitFor(() => expect(both.current.list.status).toBe("ready"), WAIT);
    act(() => both.current.chat.send("A title from words"));
    await waitFor(() => expect(both.current.list.conversations[0]).toMatchObject({ id, title: "A title from words" }), WAIT);
    await waitFor(() => expect(both.current.chat.activity).toBe("idle"), WAIT);
  });

  test("searches", async () => {
    const client = clientOf(server.url);
    const { id } = await client.trpc.conversations.create.mutate({ title: "About narwhals" });
    const list = rendered(client, () => useConversations({ search: "narwhal" }));
    await waitFor(() => expect(ids(list.current.conversations)).toEqual([id]), WAIT);
  });

  test("is loading until what is shown is what was searched for", async () => {
    const client = clientOf(server.url);
    const { id } = await client.trpc.conversations.create.mutate({ title: "About walruses" });
    const list = rendered(client, () => {
      const [search, look] = useState("nothing of the kind");
      return { ...useConversations({ search }), look };
    });
    await waitFor(() => expect(list.current.status).toBe("ready"), WAIT);
    act(() => list.current.look("walrus"));
    expect(list.current.status).toBe("loading");
    await waitFor(() => expect(list.current.status).toBe("ready"), WAIT);
    expect(ids(list.current.conversations)).toEqual([id]);
  });

  test("renames at once, and takes it back if the server refuses", async () => {
    const client = clientOf(server.url);
    const { id } = await client.trpc.conversations.create.mutate({ title: "Old" });
    const shown: (string | undefined)[] = [];
    const list = rendered(client, () => {
      const all = useConversations();
      const title = all.conversations.find((each) => each.id === id)?.title;
      if (title !== shown.at(-1)) shown.push(title);
      return all;
    });
    await waitFor(() => expect(shown.at(-1)).toBe("Old"), WAIT);
    await act(() => list.current.rename(id, "New"));
    await waitFor(() => expect(shown.at(-1)).toBe("New"), WAIT);
    const tooLong = "x".repeat(201);
    const error = await act(() => list.current.rename(id, tooLong).catch((refusal: unknown) => refusal));
    expect((error as Error).message).toContain("200");
    await waitFor(() => expect(shown).toEqual(["Old", "New", tooLong, "New"]), WAIT);
  });

  test("removes at once, and deletes when that can no longer be undone", async () => {
    const client = clientOf(server.url);
    const [kept, gone] = [await created(client), await created(client)];
    const list = rendered(client, () => useConversations({ undoSeconds: 0.5 }));
    await waitFor(() => expect(ids(list.current.conversations)).toEqual(expect.arrayContaining([kept, gone])), WAIT);
    act(() => {
      list.current.remove(kept);
      list.current.remove(gone);
    });
    expect(ids(list.current.removed)).toEqual([gone, kept]);
    expect(ids(list.current.conversations)).not.toContain(kept);
    act(() => list.current.undoRemove(kept));
    expect(ids(list.current.conversations)).toContain(kept);
    await waitFor(() => expect(list.current.removed).toEqual([]), WAIT);
    await waitFor(async () => {
      const { items } = await client.trpc.conversations.list.query();
      expect(ids(items)).not.toContain(gone);
      expect(ids(items)).toContain(kept);
    }, WAIT);
    expect(ids(list.current.conversations)).not.toContain(gone);
  });

  test("deletes at once when the page is left", async () => {
    const requests: { url: string; keepalive: boolean | undefined }[] = [];
    const client = clientOf(server.url, {
      fetch: (url, init) => {
        requests.push({ url: String(url), keepalive: init?.keepalive });
        return fetch(url, init);
      },
    });
    const id = await created(client);
    const list = rendered(client, () => useConversations());
    await waitFor(() => expect(ids(list.current.conversations)).toContain(id), WAIT);
    act(() => list.current.remove(id));
    await act(async () => {
      window.dispatchEvent(new Event("pagehide"));
      // Nothing but microtasks run in a page that is being left.
      for (let n = 0; n < 20; n++) await Promise.resolve();
    });
    expect(requests.at(-1)).toEqual({ url: `${server.url}/conversations.delete`, keepalive: true });
    await waitFor(async () => expect(ids((await client.trpc.conversations.list.query()).items)).not.toContain(id), WAIT);
  });

  test("shows again what could not be deleted, and says why", async () => {
    const refusing: typeof fetch = (url, init) =>
      String(url).includes("conversations.delete") ? Promise.reject(new TypeError("lost")) : fetch(url, init);
    const client = clientOf(server.url, { fetch: refusing });
    const id = await created(client);
    const list = rendered(client, () => useConversations({ undoSeconds: 0.1 }));
    await waitFor(() => expect(ids(list.current.conversations)).toContain(id), WAIT);
    act(() => list.current.remove(id));
    expect(ids(list.current.conversations)).not.toContain(id);
    await waitFor(() => expect(ids(list.current.conversations)).toContain(id), WAIT);
    expect(list.current.removalProblem).toBe(
      "The conversation could not be deleted. The server cannot be reached.",
    );
    expect(list.current.problem).toBeNull();
  });

  test("hides and deletes what the page before had removed, and could not delete", async () => {
    const deaf: typeof fetch = (url, init) =>
      String(url).includes("conversations.delete") ? new Promise(() => {}) : fetch(url, init);
    const before = clientOf(server.url, { fetch: deaf });
    const id = await created(before);
    const left = rendered(before, () => useConversations());
    await waitFor(() => expect(ids(left.current.conversations)).toContain(id), WAIT);
    act(() => left.current.remove(id));
    act(() => void window.dispatchEvent(new Event("pagehide")));
    const client = clientOf(server.url);
    const list = rendered(client, () => useConversations());
    await waitFor(() => expect(list.current.status).toBe("ready"), WAIT);
    expect(ids(list.current.conversations)).not.toContain(id);
    await waitFor(async () => expect(ids((await client.trpc.conversations.list.query()).items)).not.toContain(id), WAIT);
  });

  test("says when they cannot be loaded", async () => {
    const list = rendered(clientOf("http://127.0.0.1:9/api/trpc"), () => useConversations());
    await waitFor(() => expect(list.current.status).toBe("failed"), WAIT);
    expect(list.current.problem).toBe("The server cannot be reached.");
  });
});

describe("two tabs", () => {
  const tab = (id: string) => {
    const client = clientOf(server.url);
    return rendered(client, () => ({ list: useConversations(), chat: useConversation(id) }));
  };
  const titles = ({ list, chat }: ReturnType<typeof tab>["current"]) => [
    list.conversations.find(({ id }) => id === chat.conversation?.id)?.title,
    chat.conversation?.title,
  ];

  test("have the same titles, and the same list", async () => {
    const client = clientOf(server.url);
    const { id } = await client.trpc.conversations.create.mutate({ title: "Old" });
    const [mine, other] = [tab(id), tab(id)];
    for (const each of [mine, other]) await waitFor(() => expect(titles(each.current)).toEqual(["Old", "Old"]), WAIT);
    await act(() => mine.current.list.rename(id, "New"));
    await waitFor(() => expect(titles(other.current)).toEqual(["New", "New"]), WAIT);
    const created = await act(() => other.current.list.create("Another"));
    await waitFor(() => expect(ids(mine.current.list.conversations)[0]).toBe(created.id), WAIT);
    await act(() => mine.current.list.rename(created.id, "Its own title"));
    const titleOf = ({ list }: typeof other.current) => list.conversations.find((each) => each.id === created.id)?.title;
    await waitFor(() => expect(titleOf(other.current)).toBe("Its own title"), WAIT);
  });

  test("of which one was not told see it when the list is asked for again", async () => {
    const client = clientOf(server.url);
    const { id } = await client.trpc.conversations.create.mutate({ title: "Old" });
    const seen = tab(id);
    await waitFor(() => expect(titles(seen.current)).toEqual(["Old", "Old"]), WAIT);
    // As another device does.
    await client.trpc.conversations.rename.mutate({ conversationId: id, title: "New" });
    act(() => seen.current.list.refetch());
    await waitFor(() => expect(titles(seen.current)).toEqual(["New", "New"]), WAIT);
  });

  test("of which one was not told list no conversation that they have found to be deleted", async () => {
    const client = clientOf(server.url);
    const { id } = await client.trpc.conversations.create.mutate({ title: "Doomed" });
    const seen = tab(id);
    await waitFor(() => expect(titles(seen.current)).toEqual(["Doomed", "Doomed"]), WAIT);
    await client.trpc.conversations.delete.mutate({ conversationId: id });
    await waitFor(() => expect(seen.current.chat.status).toBe("missing"), WAIT);
    expect(ids(seen.current.list.conversations)).not.toContain(id);
  });
});

describe("useConnectionState", () => {
  test("tells what the browser says about the network, and what waits for it is sent afterwards", async () => {
    const client = clientOf(server.url);
    const id = await created(client);
    const seen = rendered(client, () => ({ chat: useConversation(id), connection: useConnectionState() }));
    await waitFor(() => expect(seen.current.connection.status).toBe("live"), WAIT);
    await waitFor(() => expect(seen.current.chat.status).toBe("ready"), WAIT);
    act(() => void window.dispatchEvent(new Event("offline")));
    expect(seen.current.connection).toEqual({
      status: "offline",
      transport: "websocket",
      problem: "This device is offline.",
    });
    act(() => seen.current.chat.send("From the underground"));
    expect(seen.current.chat.messages[0]).toMatchObject({ delivery: "queued" });
    expect(seen.current.chat.activity).toBe("idle");
    act(() => void window.dispatchEvent(new Event("online")));
    await waitFor(() => expect(seen.current.connection.status).toBe("live"), WAIT);
    await waitFor(() => expect(seen.current.chat.messages).toHaveLength(2), WAIT);
    await waitFor(() => expect(seen.current.chat.activity).toBe("idle"), WAIT);
    expect(seen.current.chat.messages.map(plain)).toEqual(await stored(client, id));
  });
});

test("useModels and useTools tell what there is", async () => {
  const seen = rendered(clientOf(server.url), () => ({ models: useModels(), tools: useTools() }));
  expect(seen.current).toEqual({ models: [], tools: [] });
  await waitFor(() => expect(seen.current.models).toEqual([{ id: "demo", isDefault: true }]), WAIT);
  await waitFor(() => expect(seen.current.tools.map(({ name }) => name)).toEqual(["current_time", "calculate"]), WAIT);
});

test("useTidewire without a provider says what is missing", () => {
  expect(() => renderHook(() => useTidewire())).toThrow("There is no TidewireProvider above this component");
});
