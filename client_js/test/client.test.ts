import { initTRPC } from "@trpc/server";
import { afterEach, beforeEach, describe, expect, expectTypeOf, onTestFinished, test, vi } from "vitest";

import {
  conversationStore,
  createTidewireClient,
  type ChatClient,
  type Conversation,
  type TidewireClient,
  type TidewireClientOptions,
} from "../src/index.js";

/** A WebSocket of which nothing is ever heard, or that fails at once. */
class Socket extends EventTarget {
  static readonly OPEN = 1;
  static opened: Socket[] = [];
  static fails = false;
  readonly OPEN = 1;
  readyState = 0;
  readonly url: string;

  constructor(url: string) {
    super();
    this.url = url;
    Socket.opened.push(this);
    if (Socket.fails) {
      setTimeout(() => {
        this.readyState = 3;
        this.dispatchEvent(new Event("error"));
        this.dispatchEvent(new Event("close"));
      });
    }
  }

  open(): void {
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
  }

  send(): void {}

  close(): void {
    this.readyState = 3;
    this.dispatchEvent(new Event("close"));
  }
}

function client(options: Partial<TidewireClientOptions> = {}): TidewireClient {
  const made = createTidewireClient({
    url: "http://chat.example/api/trpc",
    WebSocket: Socket as unknown as typeof WebSocket,
    fetch: () => Promise.resolve(new Response("{}", { status: 404 })),
    ...options,
  });
  onTestFinished(() => made.close());
  return made;
}

/** Let time pass, and what is awaited meanwhile be told. */
const pass = (milliseconds: number): Promise<unknown> => vi.advanceTimersByTimeAsync(milliseconds);

beforeEach(() => {
  Socket.opened = [];
  Socket.fails = false;
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("the address", () => {
  test.each([
    ["http://chat.example/api/trpc", "ws://chat.example/api/trpc"],
    ["https://chat.example/api/trpc/", "wss://chat.example/api/trpc"],
  ])("%s of the endpoint gives the WebSocket's", async (url, socket) => {
    client({ url });
    await pass(0);
    expect(Socket.opened[0]!.url).toBe(socket);
  });

  test("of a path is completed by the page's", async () => {
    vi.stubGlobal("location", { href: "https://chat.example:8443/somewhere?else#here" });
    client({ url: "/api/trpc" });
    await pass(0);
    expect(Socket.opened[0]!.url).toBe("wss://chat.example:8443/api/trpc");
  });

  test("of a path without a page says what is missing", () => {
    expect(() => client({ url: "/api/trpc" })).toThrow('"/api/trpc" is no http(s) URL');
  });
});

describe("the transport", () => {
  test("is server-sent events when a WebSocket hangs, but the server answers", async () => {
    const { connection } = client();
    await pass(9_999);
    expect(connection.getSnapshot()).toEqual({ status: "connecting", transport: "websocket", problem: null });
    await pass(1);
    expect(connection.getSnapshot().transport).toBe("sse");
  });

  test("is server-sent events after two failed attempts, but the server answers", async () => {
    Socket.fails = true;
    const { connection } = client();
    await pass(0);
    expect(connection.getSnapshot()).toMatchObject({ status: "reconnecting", transport: "websocket" });
    await pass(500);
    // Nothing is subscribed to, and the server has just answered.
    expect(connection.getSnapshot()).toEqual({ status: "live", transport: "sse", problem: null });
    expect(Socket.opened).toHaveLength(2);
    await pass(60_000);
    expect(Socket.opened).toHaveLength(2);
  });

  test.each([
    ["nothing answers", () => Promise.reject(new TypeError("fetch failed"))],
    ["a proxy has no server behind it", () => Promise.resolve(new Response("", { status: 502 }))],
  ])("stays a WebSocket when %s", async (_, fetch) => {
    Socket.fails = true;
    const { connection } = client({ fetch });
    await pass(20_000);
    expect(connection.getSnapshot()).toMatchObject({ status: "reconnecting", transport: "websocket" });
    Socket.fails = false;
    await pass(5_000);
    Socket.opened.at(-1)!.open();
    await pass(0);
    expect(connection.getSnapshot()).toEqual({ status: "live", transport: "websocket", problem: null });
  });

  test.each([
    ["just after an attempt", 500],
    ["while the next attempt is far away", 9_700],
  ])("stays a WebSocket when the server comes %s", async (_, after) => {
    // Attempts after 0, 0.5, 1.5, 3.5, 7.5 and 12.5 seconds.
    vi.spyOn(Math, "random").mockReturnValue(1);
    onTestFinished(() => void vi.restoreAllMocks());
    const start = Date.now();
    const isThere = (): boolean => Date.now() - start >= after;
    const answer = (): Promise<Response> =>
      isThere() ? Promise.resolve(new Response("", { status: 404 })) : Promise.reject(new TypeError("fetch failed"));
    Socket.fails = true;
    const { connection } = client({ fetch: answer });
    await pass(after);
    Socket.fails = false;
    const attempts = Socket.opened.length;
    await pass(5_000);
    expect(connection.getSnapshot().transport).toBe("websocket");
    expect(Socket.opened).toHaveLength(attempts + 1);
    Socket.opened.at(-1)!.open();
    await pass(5_000);
    expect(connection.getSnapshot()).toEqual({ status: "live", transport: "websocket", problem: null });
  });

  test("stays a WebSocket when one has opened before", async () => {
    const { connection } = client();
    await pass(0);
    Socket.opened[0]!.open();
    Socket.fails = true;
    Socket.opened[0]!.close();
    await pass(30_000);
    expect(connection.getSnapshot()).toMatchObject({ status: "reconnecting", transport: "websocket" });
  });

  test("stays a WebSocket when that is wanted", async () => {
    Socket.fails = true;
    const { connection } = client({ transport: "websocket" });
    await pass(20_000);
    expect(connection.getSnapshot().transport).toBe("websocket");
  });

  test("is server-sent events where there are no WebSockets", async () => {
    vi.stubGlobal("WebSocket", undefined);
    const made = createTidewireClient({ url: "http://chat.example/api/trpc" });
    onTestFinished(() => made.close());
    expect(made.connection.getSnapshot().transport).toBe("sse");
    await pass(0);
    expect(Socket.opened).toEqual([]);
  });
});

describe("in another network", () => {
  let comeOnline: () => void;

  beforeEach(() => {
    const page = new EventTarget();
    vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
    vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
    comeOnline = () => void page.dispatchEvent(new Event("online"));
  });

  async function blocked(): Promise<TidewireClient> {
    Socket.fails = true;
    const made = client();
    await pass(500);
    expect(made.connection.getSnapshot()).toMatchObject({ status: "live", transport: "sse" });
    Socket.opened = [];
    return made;
  }

  test("a WebSocket is tried again, and taken once it is open", async () => {
    const { connection } = await blocked();
    Socket.fails = false;
    comeOnline();
    await pass(5_000);
    expect(connection.getSnapshot().transport).toBe("sse");
    expect(Socket.opened).toHaveLength(1);
    Socket.opened[0]!.open();
    await pass(0);
    expect(connection.getSnapshot()).toEqual({ status: "live", transport: "websocket", problem: null });
    await pass(60_000);
    expect(connection.getSnapshot().transport).toBe("websocket");
  });

  test.each([
    ["fails", true],
    ["hangs", false],
  ])("a WebSocket that %s is tried once, while events come as they did", async (_, fails) => {
    const { connection } = await blocked();
    Socket.fails = fails;
    const seen = vi.fn();
    connection.subscribe(() => seen(connection.getSnapshot().transport));
    comeOnline();
    await pass(60_000);
    expect(Socket.opened).toHaveLength(1);
    expect(connection.getSnapshot()).toMatchObject({ status: "live", transport: "sse" });
    expect(seen).not.toHaveBeenCalledWith("websocket");
    comeOnline();
    await pass(60_000);
    expect(Socket.opened).toHaveLength(2);
  });

  test("WebSockets may be blocked that were not before", async () => {
    const { connection } = client();
    await pass(0);
    Socket.opened[0]!.open();
    await pass(0);
    Socket.fails = true;
    comeOnline();
    await pass(10_000);
    expect(connection.getSnapshot()).toMatchObject({ status: "live", transport: "sse" });
  });
});

describe("without a socket or a stream", () => {
  test("requests tell whether the server is there", async () => {
    let isThere = true;
    const fetch = vi.fn(() =>
      isThere ? Promise.resolve(new Response("{}", { status: 404 })) : Promise.reject(new TypeError("fetch failed")),
    );
    Socket.fails = true;
    const { connection, trpc } = client({ fetch });
    await pass(500);
    expect(connection.getSnapshot()).toMatchObject({ status: "live", transport: "sse" });
    isThere = false;
    await Promise.all([expect(trpc.models.list.query()).rejects.toThrow(), pass(10)]);
    expect(connection.getSnapshot()).toMatchObject({ status: "reconnecting", transport: "sse" });
    await pass(20_000);
    expect(connection.getSnapshot().status).toBe("reconnecting");
    isThere = true;
    await pass(5_000);
    expect(connection.getSnapshot()).toMatchObject({ status: "live", problem: null });
    fetch.mockClear();
    await pass(60_000);
    expect(fetch).not.toHaveBeenCalled();
  });
});

test("a client that was closed stays closed, whoever subscribes", async () => {
  const chat = client();
  await pass(0);
  Socket.opened[0]!.open();
  const onComplete = vi.fn();
  chat.trpc.conversations.watch.subscribe({ conversationId: "a" }, { onComplete });
  await pass(10);
  chat.close();
  await pass(10);
  expect(onComplete).toHaveBeenCalledTimes(1);
  chat.trpc.conversations.watch.subscribe({ conversationId: "a" }, { onComplete });
  await pass(60_000);
  expect(Socket.opened).toHaveLength(1);
});

describe("the types", () => {
  test("are those of the chat server, or of another router", () => {
    const chat = client();
    expectTypeOf(chat.trpc.conversations.create.mutate).returns.resolves.toEqualTypeOf<Conversation>();

    const t = initTRPC.create();
    const router = t.router({ add: t.procedure.input((n: unknown) => Number(n)).query(({ input }) => input + 1) });
    const own = createTidewireClient<typeof router>({ url: "http://chat.example/api/trpc", transport: "sse" });
    onTestFinished(() => own.close());
    expectTypeOf(own.trpc.add.query).returns.resolves.toEqualTypeOf<number>();
    // @ts-expect-error It has no such procedure.
    void own.trpc.conversations;
    // @ts-expect-error Stores need the chat server's procedures.
    expectTypeOf(own).toExtend<ChatClient>();
    expectTypeOf(chat).toExtend<ChatClient>();
  });

  test("of stores fit a client, and the same store is given for the same conversation", () => {
    const chat = client();
    expect(conversationStore(chat, "a")).toBe(conversationStore(chat, "a"));
    expect(conversationStore(chat, "a")).not.toBe(conversationStore(chat, "b"));
    expect(conversationStore(client(), "a")).not.toBe(conversationStore(chat, "a"));
  });
});
