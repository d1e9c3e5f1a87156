import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, request, type Server as HttpServer } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { connect, type AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Duplex } from "node:stream";

const HERE = import.meta.dirname;
const PYTHON = process.env["TIDEWIRE_PYTHON"] ?? resolve(HERE, "../../.venv/bin/python");
const START = /Tidewire is listening on http:\/\/127\.0\.0\.1:(\d+)/;
const START_MS = 30_000;
const STOP_MS = 15_000;

/** A `tidewire serve` with the demo provider and a database of its own. */
export class Server {
  port = 0;
  readonly log: string[] = [];
  #process: ChildProcess | null = null;
  readonly #folder: string;
  readonly #env: Record<string, string>;

  private constructor(folder: string, env: Record<string, string>) {
    this.#folder = folder;
    this.#env = env;
  }

  /** Start one; `delay` is in seconds, between two words. */
  static async start({ delay = 0, ...env }: { delay?: number } & Record<string, unknown> = {}): Promise<Server> {
    const folder = await mkdtemp(join(tmpdir(), "tidewire-"));
    const server = new Server(folder, { TIDEWIRE_DEMO_DELAY: String(delay), ...(env as Record<string, string>) });
    await server.restart();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/api/trpc`;
  }

  /** Start it, again on the same port and database. */
  async restart(): Promise<void> {
    const settings = /^(OPENAI|TIDEWIRE)_|^(DATABASE_URL|PORT|HOST)$/;
    const inherited = Object.entries(process.env).filter(([name]) => !settings.test(name));
    const child = spawn(PYTHON, ["-m", "tidewire", "serve", "--host", "127.0.0.1", "--port", String(this.port)], {
      cwd: this.#folder,
      env: {
        ...Object.fromEntries(inherited),
        DATABASE_URL: `sqlite:///${join(this.#folder, "chat.db")}`,
        ...this.#env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    this.port = await new Promise<number>((found, failed) => {
      const fail = (why: string) => failed(new Error(`the server ${why}:\n${this.log.join("\n")}`));
      const timer = setTimeout(() => fail(`did not listen within ${START_MS} ms`), START_MS);
      child.once("error", failed);
      child.once("exit", () => fail("ended before it listened"));
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream! }).on("line", (line) => {
          this.log.push(line);
          const port = START.exec(line)?.[1];
          if (!port) return;
          clearTimeout(timer);
          found(Number(port));
        });
      }
    });
  }

  /** End it, and wait until it has ended. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await ended;
    clearTimeout(timer);
  }

  /** End it, and remove its database. */
  async close(): Promise<void> {
    await this.stop("SIGKILL");
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** A proxy in front of a server. */
export interface Proxy {
  readonly url: string;
  /** Upgrades that were asked for. */
  upgrades: number;
  /** Cut every connection that was upgraded. */
  cut(): void;
  close(): Promise<void>;
}

/** Run a proxy that passes requests on, and answers upgrades by 403 unless it is told to pass them on as well. */
export async function proxyTo(server: Server, { passesUpgrades = false } = {}): Promise<Proxy> {
  const sockets = new Set<Duplex>();
  const http: HttpServer = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const passed = request({ host: "127.0.0.1", port: server.port, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    passed.on("error", () => {
      if (!outgoing.headersSent) outgoing.writeHead(502);
      outgoing.end();
    });
    outgoing.on("close", () => passed.destroy());
    incoming.pipe(passed);
  });
  http.on("upgrade", (incoming, socket, head) => {
    proxy.upgrades += 1;
    socket.on("error", () => socket.destroy());
    if (!passesUpgrades) {
      socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    sockets.add(socket);
    socket.on("close", () => {
      sockets.delete(socket);
      passed.destroy();
    });
    const passed = connect(server.port, "127.0.0.1", () => {
      const lines = incoming.rawHeaders.flatMap((name, i, all) => (i % 2 ? [] : `${name}: ${all[i + 1]}\r\n`));
      passed.write(`GET ${incoming.url} HTTP/1.1\r\n${lines.join("")}\r\n`);
      passed.write(head);
      socket.pipe(passed).pipe(socket);
    });
    passed.on("error", () => socket.destroy());
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const { port } = http.address() as AddressInfo;
  const proxy: Proxy = {
    url: `http://127.0.0.1:${port}/api/trpc`,
    upgrades: 0,
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      proxy.cut();
      http.closeAllConnections();
      http.close();
      await once(http, "close");
    },
  };
  return proxy;
}
