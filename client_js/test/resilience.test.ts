import { afterEach, describe, expect, onTestFinished, test } from "vitest";

import { proxyTo, Server } from "./server.js";
import { clientOf, created, followed, isIdleWith, isReady, plain, stored, texts, until } from "./support.js";

const QUESTION = "Tell me much about a word that is not lost when a server is, whatever happens to the network";

let server: Server;

async function started(delay = 0.02): Promise<Server> {
  server = await Server.start({ delay });
  return server;
}

afterEach(() => server.close());

describe.each(["SIGKILL", "SIGTERM"] as const)("a server that ends by %s in mid-turn", (signal) => {
  test("and comes back is followed to what it has stored", async () => {
    await started(0.05);
    const client = clientOf(server.url);
    const store = followed(client, await created(client));
    await until(store, isReady);
    store.actions.send(QUESTION);
    await until(store, (view) => (view.messages[1]?.content.length ?? 0) > 20);
    await server.stop(signal);
    await until(client.connection, ({ status }) => status === "reconnecting");
    expect(client.connection.getSnapshot()).toEqual({
      status: "reconnecting",
      transport: "websocket",
      problem: "The server cannot be reached. Trying again.",
    });
    await server.restart();
    const view = await until(store, isIdleWith(2));
    expect(view.messages.map(plain)).toEqual(await stored(client, store.id));
    if (signal === "SIGKILL") {
      expect(view.messages[1]).toMatchObject({
        status: "interrupted",
        error: { code: "SERVICE_UNAVAILABLE", retryable: true },
      });
    }
    await until(client.connection, ({ status }) => status === "live");
    expect(client.connection.getSnapshot().problem).toBeNull();
    // And it goes on.
    store.actions.send("Still there?");
    await until(store, isIdleWith(4));
    expect(store.getSnapshot().messages.map(plain)).toEqual(await stored(client, store.id));
  });
});

describe("a connection that is cut", () => {
  test("again and again in mid-turn loses nothing, and sends nothing twice", async () => {
    await started(0.05);
    const proxy = await proxyTo(server, { passesUpgrades: true });
    onTestFinished(() => proxy.close());
    const client = clientOf(proxy.url);
    const store = followed(client, await created(client));
    await until(store, isReady);
    store.actions.send(QUESTION);
    // Before anything has come back.
    proxy.cut();
    for (const length of [10, 60, 120]) {
      await until(store, (view) => (view.messages[1]?.content.length ?? 0) > length);
      proxy.cut();
      await until(client.connection, ({ status }) => status === "reconnecting");
    }
    await until(store, isIdleWith(2));
    expect(store.getSnapshot().messages.map(plain)).toEqual(await stored(client, store.id));
    expect(proxy.upgrades).toBeGreaterThanOrEqual(4);
  });
});

describe("without a server", () => {
  test("a message waits, and is sent once there is one", async () => {
    await started(0.001);
    const client = clientOf(server.url);
    const store = followed(client, await created(client));
    await until(store, isReady);
    await server.stop("SIGKILL");
    await until(client.connection, ({ status }) => status === "reconnecting");
    store.actions.send("One");
    store.actions.send("Two");
    store.actions.send("Given up");
    expect(store.getSnapshot().messages.map(({ delivery }) => delivery)).toEqual(["queued", "queued", "queued"]);
    store.actions.discard(store.getSnapshot().messages[2]!.key);
    await server.restart();
    await until(store, isIdleWith(4));
    expect(texts(store.getSnapshot()).filter((_, index) => index % 2 === 0)).toEqual(["One", "Two"]);
    expect(store.getSnapshot().messages.map(plain)).toEqual(await stored(client, store.id));
  });

  test("a conversation says so, and is loaded once there is one", async () => {
    await started();
    const id = await created(clientOf(server.url));
    await server.stop();
    const client = clientOf(server.url);
    const store = followed(client, id);
    const { problem } = await until(store, ({ status }) => status === "failed");
    expect(problem).toEqual({ message: "The server cannot be reached.", retryable: true });
    await server.restart();
    expect((await until(store, isReady)).problem).toBeNull();
    // It was not there, rather than a WebSocket being blocked.
    expect(client.connection.getSnapshot().transport).toBe("websocket");
  });
});

describe("where WebSockets are blocked", () => {
  test("subscriptions come as server-sent events", async () => {
    await started();
    const proxy = await proxyTo(server);
    onTestFinished(() => proxy.close());
    const client = clientOf(proxy.url);
    const id = await created(client);
    const store = followed(client, id);
    await until(client.connection, ({ transport }) => transport === "sse");
    const { upgrades } = proxy;
    expect(upgrades).toBeGreaterThanOrEqual(2);
    await until(store, isReady);
    await until(client.connection, ({ status }) => status === "live");
    const other = followed(clientOf(server.url), id);
    await until(other, isReady);
    store.actions.send("Hello over events, and what time is it?");
    await until(store, ({ activity }) => activity === "streaming");
    await until(store, isIdleWith(2));
    await until(other, isIdleWith(2));
    expect(store.getSnapshot().messages.map(plain)).toEqual(await stored(client, id));
    other.actions.send("Hello back");
    await until(store, isIdleWith(4));
    expect(store.getSnapshot().messages.map(plain)).toEqual(await stored(client, id));
    expect(proxy.upgrades).toBe(upgrades);
  });

  test("a server that was restarted is followed as well", async () => {
    await started(0.05);
    const client = clientOf(server.url, { transport: "sse" });
    const store = followed(client, await created(client));
    await until(store, isReady);
    store.actions.send(QUESTION);
    await until(store, (view) => (view.messages[1]?.content.length ?? 0) > 20);
    await server.stop("SIGKILL");
    await until(client.connection, ({ status }) => status === "reconnecting");
    await server.restart();
    await until(store, isIdleWith(2));
    expect(store.getSnapshot().messages.map(plain)).toEqual(await stored(client, store.id));
    await until(client.connection, ({ status }) => status === "live");
  });

  test("a message goes in an address, unless it is too long for one", async () => {
    await started(0.001);
    const client = clientOf(server.url, { transport: "sse" });
    const store = followed(client, await created(client));
    await until(store, isReady);
    store.actions.send("word".repeat(14_000));
    await until(store, isIdleWith(2));
    expect(store.getSnapshot().messages.map(plain)).toEqual(await stored(client, store.id));
    store.actions.send("word".repeat(25_000));
    expect(store.getSnapshot().messages[2]).toMatchObject({
      delivery: "failed",
      problem: "This is too long for the connection: WebSockets are blocked here.",
    });
  });
});
