import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { Server } from "./server.js";
import { clientOf, created, followed, isIdleWith, isReady, plain, stored, texts, until } from "./support.js";

let server: Server;

beforeAll(async () => {
  server = await Server.start({ delay: 0.02 });
});

afterAll(() => server.close());

const reply = (said: string): string => `You said: "${said}"`;

describe("a turn", () => {
  test("streams, and folds to what the server has stored", async () => {
    const client = clientOf(server.url);
    const store = followed(client, await created(client));
    await until(store, isReady);
    store.actions.send("What time is it in Europe/Paris?");
    const [mine] = store.getSnapshot().messages;
    expect(mine).toMatchObject({ role: "user", delivery: "pending" });
    expect(store.getSnapshot().activity).toBe("sending");
    const streaming = await until(store, ({ activity }) => activity === "streaming");
    expect(streaming.messages[0]).toMatchObject({ key: mine!.key });
    expect(streaming.messages[0]).not.toHaveProperty("delivery");
    const { messages, conversation } = await until(store, isIdleWith(2));
    expect(messages.map(plain)).toEqual(await stored(client, store.id));
    expect(messages[1]!.parts.map(({ type }) => type)).toEqual(["tool_call", "text"]);
    expect(conversation!.title).toBe("What time is it in Europe/Paris?");
  });

  test("is shown by another store as it comes, with the question", async () => {
    const client = clientOf(server.url);
    const id = await created(client);
    const [mine, other] = [followed(client, id), followed(clientOf(server.url), id)];
    await Promise.all([until(mine, isReady), until(other, isReady)]);
    mine.actions.send("Hello, tabs");
    const view = await until(other, ({ activity }) => activity === "streaming");
    expect(texts(view)[0]).toBe("Hello, tabs");
    await Promise.all([until(mine, isIdleWith(2)), until(other, isIdleWith(2))]);
    expect(texts(other.getSnapshot())).toEqual(texts(mine.getSnapshot()));
    expect(texts(mine.getSnapshot())[1]).toContain(reply("Hello, tabs"));
  });

  test("that another one is in the way of fails in words, and can be sent again", async () => {
    const client = clientOf(server.url);
    const id = await created(client);
    const [mine, other] = [followed(client, id), followed(clientOf(server.url), id)];
    await Promise.all([until(mine, isReady), until(other, isReady)]);
    other.actions.send("First");
    await until(mine, ({ activity }) => activity === "streaming");
    mine.actions.send("Second");
    const view = await until(mine, ({ messages }) => messages.at(-1)?.delivery === "failed");
    expect(view.messages.at(-1)).toMatchObject({
      content: "Second",
      problem: "Another message is being answered in this conversation",
    });
    await until(other, isIdleWith(2));
    await until(mine, isIdleWith(3));
    mine.actions.retry(view.messages.at(-1)!.key);
    await until(mine, isIdleWith(4));
    await until(other, isIdleWith(4));
    expect(mine.getSnapshot().messages.map(plain)).toEqual(await stored(client, id));
    expect(texts(other.getSnapshot())).toEqual(texts(mine.getSnapshot()));
    expect(mine.getSnapshot().messages[2]!.key).toBe(view.messages.at(-1)!.key);
  });

  test("that was given up leaves nothing", async () => {
    const client = clientOf(server.url);
    const id = await created(client);
    const mine = followed(client, id);
    await until(mine, isReady);
    mine.actions.send("First");
    await until(mine, ({ activity }) => activity === "streaming");
    mine.actions.send("Second");
    const { messages } = await until(mine, (view) => view.messages.at(-1)?.delivery === "failed");
    mine.actions.discard(messages.at(-1)!.key);
    expect(mine.getSnapshot().messages).toHaveLength(2);
    await until(mine, isIdleWith(2));
  });

  test("stops, and keeps what is there", async () => {
    const client = clientOf(server.url);
    const store = followed(client, await created(client));
    await until(store, isReady);
    store.actions.send("Stop me");
    await until(store, ({ activity }) => activity === "streaming");
    const stopping = store.actions.stop();
    expect(store.getSnapshot().activity).toBe("stopping");
    await stopping;
    const { activity, messages } = store.getSnapshot();
    expect(activity).toBe("idle");
    expect(messages[1]).toMatchObject({ status: "stopped" });
    expect(messages.map(plain)).toEqual(await stored(client, store.id));
  });

  test("stops even before the server has the message", async () => {
    const client = clientOf(server.url);
    const store = followed(client, await created(client));
    await until(store, isReady);
    store.actions.send("Stop me at once");
    await store.actions.stop();
    expect(store.getSnapshot().messages[1]).toMatchObject({ status: "stopped" });
    expect(store.getSnapshot().activity).toBe("idle");
  });
});

describe("another answer", () => {
  test("takes the place of the old one, in all stores", async () => {
    const client = clientOf(server.url);
    const id = await created(client);
    const [mine, other] = [followed(client, id), followed(clientOf(server.url), id)];
    await Promise.all([until(mine, isReady), until(other, isReady)]);
    for (const [index, text] of ["One", "Two"].entries()) {
      mine.actions.send(text);
      await until(mine, isIdleWith(2 * index + 2));
    }
    await until(other, isIdleWith(4));
    const [question, old] = mine.getSnapshot().messages;
    mine.actions.regenerate(old!.id);
    expect(texts(mine.getSnapshot())).toEqual(["One"]);
    const { messages } = await until(mine, isIdleWith(2));
    expect(messages[0]!.key).toBe(question!.key);
    expect(messages[1]!.id).not.toBe(old!.id);
    await until(other, isIdleWith(2));
    expect(messages.map(plain)).toEqual(await stored(client, id));
    expect(other.getSnapshot().messages.map(plain)).toEqual(await stored(client, id));
  });

  test("to another question is told to all stores", async () => {
    const client = clientOf(server.url);
    const id = await created(client);
    const [mine, other] = [followed(client, id), followed(clientOf(server.url), id)];
    await Promise.all([until(mine, isReady), until(other, isReady)]);
    mine.actions.send("Helo");
    await until(mine, isIdleWith(2));
    const [question] = mine.getSnapshot().messages;
    mine.actions.edit(question!.id, "Hello");
    expect(mine.getSnapshot().messages).toHaveLength(1);
    expect(mine.getSnapshot().messages[0]).toMatchObject({ content: "Hello", delivery: "pending" });
    const { messages } = await until(mine, isIdleWith(2));
    expect(messages[1]!.content).toContain(reply("Hello"));
    await until(other, (view) => isIdleWith(2)(view) && texts(view)[0] === "Hello");
    expect(other.getSnapshot().messages.map(plain)).toEqual(await stored(client, id));
    expect(messages.map(plain)).toEqual(await stored(client, id));
  });

  test("that cannot be had brings the old one back", async () => {
    const client = clientOf(server.url);
    const store = followed(client, await created(client));
    await until(store, isReady);
    store.actions.send("One");
    await until(store, isIdleWith(2));
    const before = store.getSnapshot().messages;
    store.actions.regenerate(before[0]!.id, { model: "x", tools: ["no such tool"] });
    const { messages, problem } = await until(store, (view) => view.problem !== null);
    expect(messages).toEqual(before);
    expect(problem!.message).toBe("There is no tool called 'no such tool'; see tools.list");
    store.actions.dismissProblem();
    expect(store.getSnapshot().problem).toBeNull();

    store.actions.edit(before[0]!.id, "Two", { tools: ["no such tool"] });
    const failed = await until(store, (view) => view.messages[0]?.delivery === "failed");
    expect(texts(failed)).toEqual(["Two", before[1]!.content]);
    store.actions.discard(failed.messages[0]!.key);
    expect(texts(store.getSnapshot())).toEqual(texts({ ...failed, messages: before }));
  });
});

describe("a conversation", () => {
  test("gives older messages by the page", async () => {
    const client = clientOf(server.url);
    const id = await created(client);
    const first = followed(client, id);
    await until(first, isReady);
    for (let n = 1; n <= 4; n++) {
      first.actions.send(`Message ${n}`);
      await until(first, ({ activity }) => activity === "streaming");
      await first.actions.stop();
      await until(first, isIdleWith(2 * n));
    }
    const store = followed(client, id, 3);
    expect((await until(store, isReady)).messages).toHaveLength(3);
    expect(store.getSnapshot().hasOlder).toBe(true);
    const newest = store.getSnapshot().messages[2];
    await store.actions.loadOlder();
    expect(store.getSnapshot().messages).toHaveLength(6);
    await store.actions.loadOlder();
    const { messages, hasOlder } = store.getSnapshot();
    expect(hasOlder).toBe(false);
    expect(messages.map(plain)).toEqual(await stored(client, id));
    expect(messages[7]).toBe(newest);
    // What others do now makes the store ask again; older messages stay.
    first.actions.send("Message 5");
    await until(store, ({ activity }) => activity === "streaming");
    await first.actions.stop();
    await until(store, isIdleWith(10));
    expect(store.getSnapshot().messages[7]).toBe(newest);
    expect(store.getSnapshot().messages.map(plain)).toEqual(await stored(client, id));
  });

  test("that was deleted is missing", async () => {
    const client = clientOf(server.url);
    const store = followed(client, await created(client));
    await until(store, isReady);
    await client.trpc.conversations.delete.mutate({ conversationId: store.id });
    const { problem } = await until(store, ({ status }) => status === "missing");
    expect(problem).toEqual({ message: "The conversation was deleted", retryable: false });
  });

  test("that never was is missing", async () => {
    const store = followed(clientOf(server.url), "no-such-conversation");
    const { problem } = await until(store, ({ status }) => status === "missing");
    expect(problem!.message).toBe("There is no such conversation");
  });

  test("that is opened in mid-turn shows the turn to its end", async () => {
    const client = clientOf(server.url);
    const id = await created(client);
    const mine = followed(client, id);
    await until(mine, isReady);
    mine.actions.send("Sum of 1 and 2, and the time");
    await until(mine, (view) => (view.messages[1]?.content.length ?? 0) > 10);
    const late = followed(clientOf(server.url), id);
    expect(texts(await until(late, isReady))[0]).toBe("Sum of 1 and 2, and the time");
    await Promise.all([until(mine, isIdleWith(2)), until(late, isIdleWith(2))]);
    expect(late.getSnapshot().messages.map(plain)).toEqual(await stored(client, id));
    expect(mine.getSnapshot().messages.map(plain)).toEqual(await stored(client, id));
  });
});
