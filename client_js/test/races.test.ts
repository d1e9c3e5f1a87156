import { describe, expect, test, vi } from "vitest";

import { ConversationStore, type MessageEvent } from "../src/index.js";
import { answer, complete, FakeChat, frame, message, refusal, said, settled, start } from "./fake.js";
import { texts } from "./support.js";

describe("loading", () => {
  test("goes on after what it has seen, and passes over what it has seen already", async () => {
    const chat = new FakeChat();
    const store = chat.followed();
    await chat.answer("e.5", [message("u", "Hello"), answer("t", "He", { status: "streaming" })]);
    expect(chat.last("watch").input).toEqual({ conversationId: "k", lastEventId: "e.5" });
    expect(store.getSnapshot().activity).toBe("streaming");
    await chat.tell(4, said("H"), said("e"), said("llo"), complete("t"));
    expect(texts(store.getSnapshot())).toEqual(["Hello", "Hello"]);
    expect(store.getSnapshot().activity).toBe("idle");
  });

  test("is done once, and followed once, however often users come and go", async () => {
    const chat = new FakeChat();
    const store = new ConversationStore(chat.client, "k");
    store.subscribe(() => {})();
    const leave = store.subscribe(() => {});
    leave();
    leave();
    store.subscribe(() => {});
    expect(chat.gets).toHaveLength(1);
    await chat.answer("e.1");
    expect(chat.opened).toHaveLength(1);
    expect(chat.last("watch").isOver).toBe(false);
  });

  test("that fails is tried again, later each time, and at once when the connection is back", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const chat = new FakeChat();
      const store = chat.followed();
      for (const pause of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
        await chat.refuse(new TypeError("fetch failed"));
        expect(store.getSnapshot().status).toBe("failed");
        vi.advanceTimersByTime(pause - 1);
        expect(chat.gets).toHaveLength(0);
        vi.advanceTimersByTime(1);
        expect(chat.gets).toHaveLength(1);
      }
      await chat.refuse(refusal("SERVICE_UNAVAILABLE", "Not now."));
      expect(store.getSnapshot().problem).toEqual({ message: "Not now.", retryable: true });
      chat.connect("reconnecting");
      chat.connect("live");
      await chat.answer("e.1");
      expect(store.getSnapshot()).toMatchObject({ status: "ready", problem: null });
    } finally {
      vi.useRealTimers();
    }
  });

  test("that is refused is not tried again unless somebody wants it", async () => {
    const chat = new FakeChat();
    const store = chat.followed();
    await chat.refuse(refusal("UNAUTHORIZED", "Who are you?"));
    expect(store.getSnapshot()).toMatchObject({
      status: "failed",
      problem: { message: "Who are you?", retryable: false },
    });
    store.actions.reload();
    expect(store.getSnapshot()).toMatchObject({ status: "loading", problem: null });
    await chat.refuse(refusal("NOT_FOUND", "There is no such conversation"));
    expect(store.getSnapshot().status).toBe("missing");
    store.actions.reload();
    await chat.answer("e.1");
    expect(store.getSnapshot()).toMatchObject({ status: "ready", problem: null });
    expect(chat.last("watch").isOver).toBe(false);
  });
});

describe("following", () => {
  test("that is cut off says so, and goes on after the last event that came", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const chat = new FakeChat();
      const store = chat.followed();
      await chat.answer("e.1", [message("u", "Hi"), answer("t", "", { status: "streaming" })]);
      const { observer } = chat.last("watch");
      observer.onData?.({ id: "e.2", data: said("Hel") });
      observer.onError?.(refusal("SERVICE_UNAVAILABLE", "It cannot be saved."));
      expect(store.getSnapshot().problem).toEqual({ message: "It cannot be saved.", retryable: true });
      vi.advanceTimersByTime(1_000);
      expect(chat.last("watch").input).toEqual({ conversationId: "k", lastEventId: "e.2" });
      chat.last("watch").observer.onStarted?.();
      expect(store.getSnapshot().problem).toBeNull();
      chat.last("watch").observer.onData?.({ id: "e.3", data: said("lo") });
      vi.advanceTimersByTime(20);
      expect(texts(store.getSnapshot())).toEqual(["Hi", "Hello"]);
      // What a subscription says after its end is nobody's business.
      observer.onData?.({ id: "e.4", data: said("!") });
      observer.onComplete?.();
      vi.advanceTimersByTime(60_000);
      expect(chat.opened).toHaveLength(2);
      expect(texts(store.getSnapshot())).toEqual(["Hi", "Hello"]);
    } finally {
      vi.useRealTimers();
    }
  });

  test("asks what a turn is about that another has begun, and keeps what comes meanwhile", async () => {
    const chat = new FakeChat();
    const store = chat.followed();
    await chat.answer("e.1");
    await chat.tell(2, start("t", "u", "of another tab"), said("Hel"));
    expect(store.getSnapshot().messages).toEqual([]);
    await chat.tell(4, said("lo"), complete("t"));
    // As far as it had come when the server looked.
    await chat.answer("e.3", [message("u", "Hi"), answer("t", "Hel", { status: "streaming" })]);
    expect(texts(store.getSnapshot())).toEqual(["Hi", "Hello"]);
    expect(store.getSnapshot().activity).toBe("idle");
    expect(chat.gets).toHaveLength(0);
  });

  test("asks once about what it cannot place, and goes on", async () => {
    const chat = new FakeChat();
    const store = chat.followed();
    await chat.answer("e.1", [message("u", "Hi")]);
    await chat.tell(2, said("of no turn that is known"), { type: "title", title: "Still here" });
    await chat.answer("e.1", [message("u", "Hi")]);
    expect(chat.gets).toHaveLength(0);
    expect(store.getSnapshot().conversation?.title).toBe("Still here");
  });

  test("asks again about what it cannot place if the server did not answer", async () => {
    const chat = new FakeChat();
    const store = chat.followed();
    await chat.answer("e.1");
    await chat.tell(2, start("t", "u"), said("Hello"));
    await chat.refuse(new TypeError("fetch failed"));
    expect(store.getSnapshot().problem?.retryable).toBe(true);
    await chat.tell(4, complete("t"));
    chat.connect("live");
    await chat.answer("e.4", [message("u", "Hi"), answer("t", "Hello")]);
    expect(texts(store.getSnapshot())).toEqual(["Hi", "Hello"]);
    expect(store.getSnapshot().problem).toBeNull();
  });

  test("after a gap takes whole messages, and asks what else was missed", async () => {
    const chat = new FakeChat();
    const store = chat.followed();
    await chat.answer("e.1", [message("u", "Hi"), answer("t", "Hel", { status: "streaming" })]);
    const { observer } = chat.last("watch");
    observer.onData?.({ id: "nowhere.0", data: { type: "snapshot", message: answer("t", "Hello"), upTo: "e.90" } });
    observer.onData?.({ id: "nowhere.0", data: { type: "snapshot", message: message("u2", "More"), upTo: "e.90" } });
    const more = answer("t2", "As", { status: "streaming" });
    observer.onData?.({ id: "e.90", data: { type: "snapshot", message: more, upTo: "e.90" } });
    observer.onData?.({ id: "e.91", data: said(" you wish") });
    await frame();
    expect(chat.gets).toHaveLength(1);
    await chat.answer("e.90", [message("u", "Hi"), answer("t", "Hello"), message("u2", "More"), more]);
    expect(texts(store.getSnapshot())).toEqual(["Hi", "Hello", "More", "As you wish"]);
    expect(chat.gets).toHaveLength(0);
  });

  test("asks after each gap", async () => {
    const chat = new FakeChat();
    const store = chat.followed();
    await chat.answer("e.1", [message("u", "Hi"), answer("t", "Hello")]);
    for (const place of [50, 100]) {
      const { observer } = chat.last("watch");
      const upTo = `e.${place}`;
      observer.onData?.({ id: "nowhere.0", data: { type: "snapshot", message: message("u", `Hi ${place}`), upTo } });
      observer.onData?.({ id: upTo, data: { type: "snapshot", message: answer("t", "Hello"), upTo } });
      await frame();
      expect(chat.gets).toHaveLength(1);
      await chat.answer(upTo, [message("u", `Hi ${place}`), answer("t", "Hello")]);
      expect(texts(store.getSnapshot())).toEqual([`Hi ${place}`, "Hello"]);
    }
  });

  test("that is refused goes on when somebody wants it", async () => {
    const chat = new FakeChat();
    const store = chat.followed();
    await chat.answer("e.1");
    chat.last("watch").observer.onError?.(refusal("UNAUTHORIZED", "Who are you?"));
    expect(store.getSnapshot()).toMatchObject({ status: "ready", problem: { message: "Who are you?" } });
    store.actions.reload();
    expect(store.getSnapshot()).toMatchObject({ status: "ready", problem: null });
    expect(chat.opened).toHaveLength(2);
  });

  test("takes the whole of a message that it knows without asking", async () => {
    const chat = new FakeChat();
    const store = chat.followed();
    await chat.answer("e.1", [message("u", "Hi"), answer("t", "Hel", { status: "streaming" })]);
    const whole = answer("t", "Hello", { status: "streaming" });
    chat.last("watch").observer.onData?.({ id: "e.9", data: { type: "snapshot", message: whole, upTo: "e.9" } });
    await chat.tell(10, said(" you"), complete("t"));
    expect(texts(store.getSnapshot())).toEqual(["Hi", "Hello you"]);
    expect(chat.gets).toHaveLength(0);
  });

  test("shows what comes at once once, and leaves other messages as they are", async () => {
    const chat = new FakeChat();
    const store = chat.followed();
    await chat.answer("e.1", [message("u", "Hi"), answer("t", "", { status: "streaming" })]);
    const [question] = store.getSnapshot().messages;
    const listener = vi.fn();
    store.subscribe(listener);
    await chat.tell(2, ...Array.from({ length: 200 }, () => said("word ")));
    expect(listener).toHaveBeenCalledTimes(1);
    expect(store.getSnapshot().messages[0]).toBe(question);
    expect(store.getSnapshot().messages[1]!.content).toBe("word ".repeat(200));
  });

  test("passes over events of a newer server", async () => {
    const chat = new FakeChat();
    const store = chat.followed();
    await chat.answer("e.1", [message("u", "Hi"), answer("t", "", { status: "streaming" })]);
    await chat.tell(2, { type: "from_the_future" } as never, said("Hello"));
    expect(texts(store.getSnapshot())).toEqual(["Hi", "Hello"]);
  });
});

describe("sending", () => {
  const sent = async (): Promise<{ chat: FakeChat; store: ConversationStore; id: string }> => {
    const chat = new FakeChat();
    const store = chat.followed();
    await chat.answer("e.1");
    store.actions.send("Hi");
    return { chat, store, id: chat.last("streamMessage").input["clientMessageId"] as string };
  };

  test("ends its own subscription with the first event, whichever way that comes", async () => {
    const { chat, store, id } = await sent();
    const own = chat.last("streamMessage");
    own.observer.onData?.({ id: "e.2", data: start("t", "u", id) });
    expect(own.isOver).toBe(true);
    expect(store.getSnapshot()).toMatchObject({ activity: "sending", messages: [{ key: id, content: "Hi" }] });
    expect(store.getSnapshot().messages[0]).not.toHaveProperty("delivery");
    await chat.tell(2, start("t", "u", id));
    expect(store.getSnapshot()).toMatchObject({ activity: "waiting", messages: [{ key: id, id: "u" }, {}] });

    await chat.tell(3, complete("t"));
    store.actions.send("Again");
    const again = chat.last("streamMessage");
    await chat.tell(4, start("t2", "u2", again.input["clientMessageId"] as string), said("Yes"));
    expect(again.isOver).toBe(true);
    expect(texts(store.getSnapshot())).toEqual(["Hi", "", "Again", "Yes"]);
    expect(chat.gets).toHaveLength(0);
  });

  test("again what was taken after all shows it once", async () => {
    const { chat, store, id } = await sent();
    chat.last("streamMessage").observer.onError?.(refusal("TIMEOUT", "The conversation cannot be saved"));
    expect(store.getSnapshot().messages[0]).toMatchObject({ delivery: "failed" });
    store.actions.retry(id);
    expect(chat.last("streamMessage").input).toMatchObject({ message: "Hi", clientMessageId: id });
    // It was answered long ago; its events are gone.
    chat.last("streamMessage").observer.onData?.({
      id: "t.1",
      data: { type: "snapshot", message: answer("t", "Hello"), upTo: "t.1" },
    });
    await chat.answer("e.9", [message("u", "Hi", { clientMessageId: id }), answer("t", "Hello")]);
    expect(store.getSnapshot().messages).toMatchObject([{ key: id, id: "u" }, { content: "Hello" }]);
    expect(store.getSnapshot().activity).toBe("idle");
  });

  test("that failed, but was taken, is no failure once its turn begins", async () => {
    const { chat, store, id } = await sent();
    chat.last("streamMessage").observer.onError?.(refusal("TIMEOUT"));
    await chat.tell(2, start("t", "u", id), said("Hello"));
    expect(texts(store.getSnapshot())).toEqual(["Hi", "Hello"]);
    expect(store.getSnapshot().messages[0]).not.toHaveProperty("delivery");
  });

  test("waits when the connection is lost, and goes on by the same id", async () => {
    const { chat, store, id } = await sent();
    chat.connect("reconnecting");
    expect(chat.last("streamMessage").isOver).toBe(true);
    expect(store.getSnapshot().messages[0]).toMatchObject({ delivery: "queued" });
    chat.connect("live");
    expect(chat.opened.filter(({ path }) => path === "streamMessage")).toHaveLength(2);
    expect(chat.last("streamMessage").input).toMatchObject({ clientMessageId: id });
    expect(store.getSnapshot().messages[0]).toMatchObject({ delivery: "pending" });
  });

  test("what waits goes out one by one, each after the answer to the one before", async () => {
    const { chat, store, id } = await sent();
    chat.connect("offline");
    store.actions.send("More");
    chat.connect("live");
    expect(chat.last("streamMessage").input).toMatchObject({ message: "Hi" });
    await chat.tell(2, start("t", "u", id), said("Hello"));
    expect(chat.last("streamMessage").input).toMatchObject({ message: "Hi" });
    expect(store.getSnapshot().messages.at(-1)).toMatchObject({ content: "More", delivery: "queued" });
    await chat.tell(4, complete("t"));
    expect(chat.last("streamMessage").input).toMatchObject({ message: "More" });
  });

  test("gives up after some losses, though the server seems to be there", async () => {
    const { chat, store } = await sent();
    for (let n = 0; n < 4; n++) chat.last("streamMessage").observer.onError?.(new TypeError("no"));
    expect(store.getSnapshot().messages[0]).toMatchObject({
      delivery: "failed",
      problem: "The server cannot be reached.",
    });
  });

  test("what another is being asked already attaches, and is shown once", async () => {
    const { chat, store } = await sent();
    await chat.tell(2, start("t", "u", "of another tab"), said("Hel"));
    await chat.answer("e.3", [message("u", "Hi"), answer("t", "Hel", { status: "streaming" })]);
    chat.last("streamMessage").observer.onData?.({ id: "e.2", data: start("t", "u", "of another tab") });
    await chat.answer("e.3", [message("u", "Hi"), answer("t", "Hel", { status: "streaming" })]);
    expect(texts(store.getSnapshot())).toEqual(["Hi", "Hel"]);
    expect(store.getSnapshot().activity).toBe("streaming");
  });

  test("nothing but spaces sends nothing", async () => {
    const { chat, store } = await sent();
    store.actions.send(" \n");
    expect(store.getSnapshot().messages).toHaveLength(1);
    expect(chat.opened).toHaveLength(2);
  });
});

describe("an action that failed", () => {
  /** An answer that is being written, and could not be stopped. */
  async function refusedStop() {
    const chat = new FakeChat();
    const store = chat.followed();
    await chat.answer("e.1", [message("u", "Hi"), answer("t", "Hel", { status: "streaming" })]);
    void store.actions.stop();
    await settled();
    chat.stops.shift()!.reject(refusal("SERVICE_UNAVAILABLE", "Not now."));
    await settled();
    return { chat, store };
  }

  test("is done again when somebody wants it: stopping", async () => {
    const { chat, store } = await refusedStop();
    expect(store.getSnapshot()).toMatchObject({
      activity: "streaming",
      problem: { message: "Not now.", retryable: true },
    });
    store.actions.tryAgain();
    await settled();
    expect(store.getSnapshot()).toMatchObject({ activity: "stopping", problem: null });
    expect(chat.stops).toHaveLength(1);
    chat.stops.shift()!.resolve({ stopped: false });
    await settled();
    expect(store.getSnapshot().activity).toBe("streaming");
  });

  test("is done again when somebody wants it: loading older messages", async () => {
    const chat = new FakeChat();
    const store = chat.followed();
    await chat.answer("e.1", [message("u", "Hi")], "older");
    void store.actions.loadOlder();
    await chat.refuse(new TypeError("fetch failed"));
    expect(store.getSnapshot()).toMatchObject({ loadingOlder: false, problem: { retryable: true } });
    store.actions.tryAgain();
    expect(store.getSnapshot()).toMatchObject({ loadingOlder: true, problem: null });
    await chat.answer("e.1", [message("u0", "Before")]);
    expect(texts(store.getSnapshot())).toEqual(["Before", "Hi"]);
    expect(store.getSnapshot().problem).toBeNull();
  });

  test("is not done again once its problem was taken away", async () => {
    const { chat, store } = await refusedStop();
    store.actions.dismissProblem();
    store.actions.tryAgain();
    await settled();
    expect(chat.stops).toHaveLength(0);
  });
});

test("what waits is sent one by one, though nobody looks any more", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const chat = new FakeChat();
    const store = new ConversationStore(chat.client, "k");
    const leave = store.subscribe(() => {});
    await chat.answer("e.1");
    chat.connect("offline");
    store.actions.send("One");
    store.actions.send("Two");
    const [one, two] = store.getSnapshot().messages.map(({ key }) => key);
    leave();
    vi.advanceTimersByTime(600_000);
    chat.connect("live");
    const tell = (id: string, event: MessageEvent) => chat.last("watch").observer.onData?.({ id, data: event });
    tell("e.2", start("t", "u", one));
    tell("e.3", complete("t"));
    vi.advanceTimersByTime(20);
    expect(chat.last("streamMessage").input).toMatchObject({ message: "Two", clientMessageId: two });
    tell("e.4", start("t2", "u2", two));
    tell("e.5", complete("t2"));
    vi.advanceTimersByTime(120_000);
    expect(chat.last("watch").isOver).toBe(true);
  } finally {
    vi.useRealTimers();
  }
});

test("a store that nobody uses is let go of after a minute, but not while something waits", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const chat = new FakeChat();
    const onUnused = vi.fn();
    const store = new ConversationStore(chat.client, "k", { onUnused });
    const leave = store.subscribe(() => {});
    await chat.answer("e.1");
    store.actions.send("Hi");
    chat.last("streamMessage").observer.onError?.(refusal("CONFLICT"));
    leave();
    vi.advanceTimersByTime(59_000);
    expect(chat.last("watch").isOver).toBe(false);
    vi.advanceTimersByTime(120_000);
    expect(chat.last("watch").isOver).toBe(true);
    expect(onUnused).not.toHaveBeenCalled();
    store.actions.discard(store.getSnapshot().messages[0]!.key);
    vi.advanceTimersByTime(60_000);
    expect(onUnused).toHaveBeenCalledTimes(1);
    await settled();
  } finally {
    vi.useRealTimers();
  }
});
