// @vitest-environment jsdom
import { beforeEach, describe, expect, test } from "vitest";

import type { ConversationStore } from "../src/index.js";
import { answer, complete, FakeChat, message, refusal, said, start } from "./fake.js";
import { texts } from "./support.js";

beforeEach(() => localStorage.clear());

/** A page with the conversation open; all pages have the same storage. */
function page(): { readonly chat: FakeChat; readonly store: ConversationStore } {
  const chat = new FakeChat(localStorage);
  const store = chat.followed();
  return { chat, store };
}

const idOf = (store: ConversationStore): string => store.getSnapshot().messages.at(-1)!.key;

/** What a browser tells other tabs when this one takes an entry away. */
function tellOthers(take: () => void): void {
  const before = Object.entries({ ...localStorage }) as [string, string][];
  take();
  for (const [key, oldValue] of before) {
    if (localStorage.getItem(key) === null) dispatchEvent(new StorageEvent("storage", { key, oldValue, newValue: null }));
  }
}

describe("after a reload", () => {
  test("what waited for the network is there, and goes out under its own id", async () => {
    const before = page();
    await before.chat.answer("e.1");
    before.chat.connect("offline");
    before.store.actions.send("One", { model: "small" });
    before.store.actions.send("Two");
    const [one, two] = before.store.getSnapshot().messages.map(({ key }) => key);

    const { chat, store } = page();
    expect(store.getSnapshot().messages).toMatchObject([
      { key: one, content: "One", delivery: "queued" },
      { key: two, content: "Two", delivery: "queued" },
    ]);
    expect(chat.opened).toEqual([]);
    await chat.answer("e.1");
    expect(chat.last("streamMessage").input).toEqual({
      conversationId: "k",
      clientMessageId: one,
      config: { model: "small" },
      message: "One",
    });
    await chat.tell(2, start("t", "u", one), said("Yes"), complete("t"));
    expect(chat.last("streamMessage").input).toMatchObject({ clientMessageId: two, message: "Two" });
    await chat.tell(5, start("t2", "u2", two), complete("t2"));
    expect(texts(store.getSnapshot())).toEqual(["One", "Yes", "Two", ""]);
    expect(localStorage).toHaveLength(0);
  });

  test("what was on its way is not sent again if the server has it", async () => {
    const before = page();
    await before.chat.answer("e.1");
    before.store.actions.send("Hi");
    const id = idOf(before.store);

    const { chat, store } = page();
    await chat.answer("e.3", [message("u", "Hi", { clientMessageId: id }), answer("t", "Hel", { status: "streaming" })]);
    expect(store.getSnapshot().messages).toMatchObject([{ key: id, id: "u" }, { content: "Hel" }]);
    expect(store.getSnapshot().messages[0]).not.toHaveProperty("delivery");
    expect(chat.opened.map(({ path }) => path)).toEqual(["watch"]);
    expect(localStorage).toHaveLength(0);
  });

  test("what could not be sent says why, and waits for somebody", async () => {
    const before = page();
    await before.chat.answer("e.1");
    before.store.actions.send("Hi");
    before.chat.last("streamMessage").observer.onError?.(refusal("TOO_MANY_REQUESTS", "Not so fast."));
    const id = idOf(before.store);

    const { chat, store } = page();
    await chat.answer("e.1");
    expect(store.getSnapshot().messages).toMatchObject([{ key: id, delivery: "failed", problem: "Not so fast." }]);
    expect(chat.opened.map(({ path }) => path)).toEqual(["watch"]);
    store.actions.retry(id);
    expect(chat.last("streamMessage").input).toMatchObject({ message: "Hi", clientMessageId: id });
    store.actions.discard(id);
    chat.last("streamMessage").observer.onError?.(refusal("TOO_MANY_REQUESTS", "Not so fast."));
    store.actions.discard(id);
    expect(localStorage).toHaveLength(0);
    expect(page().store.getSnapshot().messages).toEqual([]);
  });

  test("an edit that waited goes out, and the rest stays until then", async () => {
    const before = page();
    const history = [message("u", "Helo"), answer("t", "What?")];
    await before.chat.answer("e.1", history);
    before.chat.connect("offline");
    before.store.actions.edit("u", "Hello");

    const { chat, store } = page();
    chat.connect("reconnecting");
    await chat.answer("e.1", history);
    expect(texts(store.getSnapshot())).toEqual(["Hello", "What?"]);
    expect(store.getSnapshot().messages[0]).toMatchObject({ delivery: "queued" });
    chat.connect("live");
    expect(chat.last("regenerate").input).toMatchObject({ messageId: "u", message: "Hello" });
  });

  test("what is in the way of an answer waits for its end", async () => {
    const before = page();
    await before.chat.answer("e.1");
    before.chat.connect("offline");
    before.store.actions.send("Hi");

    const { chat } = page();
    chat.connect("connecting");
    chat.connect("live");
    await chat.answer("e.3", [message("u", "First"), answer("t", "Hel", { status: "streaming" })]);
    expect(chat.opened.map(({ path }) => path)).toEqual(["watch"]);
    await chat.tell(4, complete("t"));
    expect(chat.last("streamMessage").input).toMatchObject({ message: "Hi" });
  });

  test("what was to be sent to a conversation that is gone is gone", async () => {
    const before = page();
    await before.chat.answer("e.1");
    before.chat.connect("offline");
    before.store.actions.send("Hi");

    const { chat } = page();
    await chat.refuse(refusal("NOT_FOUND"));
    expect(localStorage).toHaveLength(0);
  });
});

test("what another tab has given up is not sent", async () => {
  const mine = page();
  await mine.chat.answer("e.1");
  mine.chat.connect("offline");
  mine.store.actions.send("Hi");
  const other = page();
  other.chat.connect("offline");
  await other.chat.answer("e.1");
  tellOthers(() => mine.store.actions.discard(idOf(mine.store)));
  expect(other.store.getSnapshot().messages).toEqual([]);
  other.chat.connect("live");
  expect(other.chat.opened.map(({ path }) => path)).toEqual(["watch"]);
});

test("conversations in which something waits are told, and others are not", async () => {
  const { chat, store } = page();
  await chat.answer("e.1");
  expect(chat.client.outbox!.conversations()).toEqual([]);
  chat.connect("offline");
  store.actions.send("Hi");
  expect(chat.client.outbox!.conversations()).toEqual(["k"]);
  localStorage.setItem("tidewire.outbox.of another version", "{}");
  localStorage.setItem("tidewire.outbox.broken", "{");
  expect(chat.client.outbox!.conversations()).toEqual(["k"]);
});

test("a storage that takes nothing is no reason not to send", async () => {
  const full = (): never => {
    throw new DOMException("full", "QuotaExceededError");
  };
  const chat = new FakeChat({ length: 0, key: full, getItem: full, setItem: full, removeItem: full });
  const store = chat.followed();
  await chat.answer("e.1");
  store.actions.send("Hi");
  await chat.tell(2, start("t", "u", idOf(store)), said("Hello"));
  expect(texts(store.getSnapshot())).toEqual(["Hi", "Hello"]);
});
