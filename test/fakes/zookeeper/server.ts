import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { systemClock } from "../../../src/runtime/clock.ts";
import type { Clock } from "../../../src/runtime/deps.ts";
import { FakeConnection } from "./connection.ts";
import { Faults } from "./faults.ts";
import { type Acl, openAcl, parentOf, Znodes } from "./znodes.ts";

/** An instance as a test registers it: by address and port, or a whole URL. */
export type FakeProvider = string | { readonly address: string; readonly port: number };

export interface FakeZooKeeperOptions {
  /** Times sessions and delays. Default: the machine's. */
  readonly clock?: Clock;
  /** The longest session that it grants. Default: 10 s. */
  readonly maxSessionMs?: number;
  /** The parent of the interfaces that `register` writes. Default: /dubbo. */
  readonly root?: string;
}

interface Session {
  readonly timeoutMs: number;
  cancelExpiry: () => void;
}

export type FakeZooKeeper = FakeZooKeeperServer;

/** A ZooKeeper in this process, on 127.0.0.1, that does badly what a test asks for. It passes test/contract as real ones do. */
export async function startFakeZooKeeper(options: FakeZooKeeperOptions = {}): Promise<FakeZooKeeper> {
  const server = new FakeZooKeeperServer(options);
  await server.listen();
  return server;
}

class FakeZooKeeperServer implements AsyncDisposable {
  readonly faults = new Faults();
  readonly #clock: Clock;
  readonly #maxSessionMs: number;
  readonly #root: string;
  readonly #sessions = new Map<bigint, Session>();
  readonly #connections = new Map<Socket, FakeConnection>();
  #znodes: Znodes;
  #listener: Server | undefined;
  #port = 0;
  #lastSession = 0x1000n;
  #isFrozen = false;

  constructor({ clock = systemClock, maxSessionMs = 10_000, root = "/dubbo" }: FakeZooKeeperOptions) {
    this.#clock = clock;
    this.#maxSessionMs = maxSessionMs;
    this.#root = root;
    this.#znodes = this.#freshZnodes();
  }

  /** `127.0.0.1:<port>`, the same after a restart. */
  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#connections.size;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  async listen(): Promise<void> {
    const listener = createServer((socket) => this.#accept(socket));
    this.#listener = listener.listen(this.#port, "127.0.0.1");
    await once(listener, "listening");
    this.#port = (listener.address() as AddressInfo).port;
  }

  /** Provider nodes of an interface; those that exist already stay as they are. */
  register(service: string, providers: readonly FakeProvider[]): void {
    for (const path of this.#paths(service, providers)) if (!this.#znodes.has(path)) this.create(path);
    if (providers.length === 0) this.ensure(`${this.#root}/${encodeURIComponent(service)}/providers`);
  }

  deregister(service: string, providers: readonly FakeProvider[]): void {
    for (const path of this.#paths(service, providers)) if (this.#znodes.has(path)) this.delete(path);
  }

  /** Creates a node, and its parents where they are missing. */
  create(path: string, data = "", acl: Acl = openAcl): void {
    this.ensure(parentOf(path));
    this.#znodes.create(path, Buffer.from(data), acl, 0n, "admin");
  }

  /** Creates the node, empty, and its parents, as far as they are missing. */
  ensure(path: string): void {
    if (!this.#znodes.has(path)) this.create(path);
  }

  setData(path: string, data: string): void {
    this.#znodes.setData(path, Buffer.from(data), "admin");
  }

  setAcl(path: string, acl: Acl): void {
    this.#znodes.setAcl(path, acl, "admin");
  }

  has(path: string): boolean {
    return this.#znodes.has(path);
  }

  children(path: string): readonly string[] {
    return this.#znodes.children(path, "admin");
  }

  /** With everything below it. */
  delete(path: string): void {
    for (const child of this.#znodes.children(path, "admin"))
      this.delete(`${path === "/" ? "" : path}/${child}`);
    this.#znodes.delete(path, "admin");
  }

  /** Breaks every connection; new ones are served. */
  dropConnections(): void {
    for (const socket of this.#connections.keys()) socket.destroy();
  }

  /** Ends every session, as a server that was cut off from its clients for too long does. */
  expireSessions(): void {
    for (const id of this.#sessions.keys()) this.#end(id);
    this.dropConnections();
  }

  /** Accepts connections, and neither reads nor says anything. */
  freeze(): void {
    this.#isFrozen = true;
    for (const socket of this.#connections.keys()) socket.pause();
  }

  thaw(): void {
    this.#isFrozen = false;
    for (const socket of this.#connections.keys()) socket.resume();
  }

  /** As kill -9 and a new start do. The sessions go on; with `lose` they and all data are gone. */
  async restart({ lose = false, whileDown = async () => {} } = {}): Promise<void> {
    await this.#close();
    await whileDown();
    if (lose) {
      for (const id of this.#sessions.keys()) this.#forget(id);
      this.#znodes = this.#freshZnodes();
    }
    await this.listen();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    for (const id of this.#sessions.keys()) this.#forget(id);
  }

  async #close(): Promise<void> {
    const closed = once(this.#listener as Server, "close");
    this.#listener?.close();
    this.dropConnections();
    await closed;
  }

  #freshZnodes(): Znodes {
    const now = (): number => Math.round(this.#clock.now());
    const znodes = new Znodes(now, (type, path, acl) => {
      for (const connection of this.#connections.values()) connection.notify(type, path, acl);
    });
    znodes.create("/zookeeper", Buffer.alloc(0), openAcl, 0n, "admin");
    return znodes;
  }

  #accept(socket: Socket): void {
    const connection = new FakeConnection(socket, {
      clock: this.#clock,
      maxSessionMs: this.#maxSessionMs,
      faults: this.faults,
      znodes: () => this.#znodes,
      attach: (id, timeoutMs) => this.#attach(id, timeoutMs),
      heard: (session) => this.#heard(session),
      end: (session) => this.#end(session),
    });
    this.#connections.set(socket, connection);
    socket.on("close", () => this.#connections.delete(socket));
    if (this.#isFrozen) socket.pause();
  }

  #attach(id: bigint, timeoutMs: number): bigint | undefined {
    if (id !== 0n && !this.#sessions.has(id)) return undefined;
    const session = id === 0n ? ++this.#lastSession : id;
    if (id === 0n) {
      this.#znodes.tick();
      this.#sessions.set(session, { timeoutMs, cancelExpiry: () => {} });
    }
    this.#heard(session);
    return session;
  }

  #heard(id: bigint): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    session.cancelExpiry();
    session.cancelExpiry = this.#clock.after(session.timeoutMs, () => this.#end(id));
  }

  #end(id: bigint): void {
    if (!this.#sessions.has(id)) return;
    this.#forget(id);
    for (const path of this.#znodes.ownedBy(id)) this.#znodes.delete(path, "admin");
    for (const [socket, { session }] of this.#connections) if (session === id) socket.end();
  }

  #forget(id: bigint): void {
    this.#sessions.get(id)?.cancelExpiry();
    this.#sessions.delete(id);
  }

  #paths(service: string, providers: readonly FakeProvider[]): readonly string[] {
    return providers.map((one) => {
      const host =
        typeof one === "string" || !one.address.includes(":") ? one : { ...one, address: `[${one.address}]` };
      const url =
        typeof host === "string"
          ? host
          : `dubbo://${host.address}:${host.port}/${service}?interface=${service}`;
      return `${this.#root}/${encodeURIComponent(service)}/providers/${encodeURIComponent(url)}`;
    });
  }
}
