import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { posix } from "node:path";
import { systemClock } from "../../../src/runtime/clock.ts";
import type { Clock } from "../../../src/runtime/deps.ts";
import { allows, type CatalogCopy, FakeCatalog, type FakeInstance, type Rules } from "./catalog.ts";

export const readAll: Rules = { services: [""], nodes: [""] };
export const readNothing: Rules = { services: [], nodes: [] };

export interface FakeConsulOptions {
  /** Runs the waits. Default: the machine's. */
  readonly clock?: Clock;
  /** Tokens and what they may read; "" = whoever has none. Default: no access control. */
  readonly tokens?: Readonly<Record<string, Rules>>;
  /** 1.10 does not say that it filtered an answer; 1.8 does not say what it denies by default either. Default: 1.22. */
  readonly version?: "1.22" | "1.10" | "1.8";
}

/** A request, as far as tests ask for it. */
export interface FakeRequest {
  readonly method: string;
  /** As it was sent, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly token: string;
  /** Whether it waits for something new. */
  readonly isWaiting: boolean;
  readonly body: string;
}

export interface FakeAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/**
 * What happens to a request instead of the truth, which `truth` gives: another answer, silence for ever, or a connection
 * that breaks before or within the answer. undefined = nothing.
 */
export type Fault = (
  request: FakeRequest,
  truth: () => Promise<FakeAnswer>,
) => FakeAnswer | Promise<FakeAnswer> | "hang" | "cut" | "cut within" | undefined;

/** A Consul server in this process. */
export interface FakeConsul extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`. */
  readonly address: string;
  readonly port: number;
  /** Every request so far, oldest first. */
  readonly requests: FakeRequest[];
  /** How many queries wait now. */
  readonly waiting: number;
  register(service: string, instances: readonly FakeInstance[]): void;
  /** Without `instances`: all of them. */
  deregister(service: string, instances?: readonly FakeInstance[]): void;
  setNode(node: string, status: "passing" | "critical"): void;
  /** Something else changes: the catalog's index moves, `by` times. */
  touch(by?: number): void;
  /** undefined = the token is deleted. Queries that wait do not notice a narrower right. */
  setToken(token: string, rules: Rules | undefined): void;
  /** Adds a fault in front of the others; the returned function heals it. */
  fault(fault: Fault): () => void;
  backup(): CatalogCopy;
  /** Back to a backup, with its indexes; queries that wait do not notice. */
  restore(backup: CatalogCopy): void;
  /** Stops, with every connection, until `start`. */
  stop(): Promise<void>;
  start(): Promise<void>;
  restart(options?: { readonly lose?: boolean }): Promise<void>;
  /** Resolves when nobody waits for an answer that is due and nothing arrives, for tests on a fake clock. */
  quiet(): Promise<void>;
}

/** Starts a server on 127.0.0.1. It lists `consul` itself, as a real one does. */
export async function startFakeConsul(options: FakeConsulOptions = {}): Promise<FakeConsul> {
  const server = new ConsulServer(options);
  await server.start();
  return server;
}

interface Waiting {
  /** Looks whether there is something new. */
  readonly look: () => void;
  readonly token: string;
  readonly endsWithToken: () => void;
}

class ConsulServer implements FakeConsul {
  readonly requests: FakeRequest[] = [];
  readonly #catalog = new FakeCatalog();
  readonly #clock: Clock;
  readonly #version: string;
  readonly #tokens: Map<string, Rules> | undefined;
  readonly #waiting = new Set<Waiting>();
  #faults: readonly Fault[] = [];
  #server: Server | undefined;
  #port = 0;
  /** Requests that are neither answered nor waiting. */
  #busy = 0;

  constructor({ clock = systemClock, tokens, version = "1.22" }: FakeConsulOptions) {
    this.#clock = clock;
    this.#version = version;
    this.#tokens = tokens && new Map(Object.entries(tokens));
  }

  get address(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  register(service: string, instances: readonly FakeInstance[]): void {
    this.#catalog.register(service, instances);
    this.#wake();
  }

  deregister(service: string, instances?: readonly FakeInstance[]): void {
    this.#catalog.deregister(service, instances);
    this.#wake();
  }

  setNode(node: string, status: "passing" | "critical"): void {
    this.#catalog.setNode(node, status);
    this.#wake();
  }

  touch(by = 1): void {
    for (let at = 0; at < by; at++) this.#catalog.touch();
    this.#wake();
  }

  setToken(token: string, rules: Rules | undefined): void {
    if (rules !== undefined) this.#tokens?.set(token, rules);
    else this.#tokens?.delete(token);
    if (rules === undefined) for (const one of this.#waiting) if (one.token === token) one.endsWithToken();
  }

  fault(fault: Fault): () => void {
    this.#faults = [fault, ...this.#faults];
    return () => {
      this.#faults = this.#faults.filter((one) => one !== fault);
    };
  }

  backup(): CatalogCopy {
    return this.#catalog.copy();
  }

  restore(backup: CatalogCopy): void {
    this.#catalog.restore(backup);
  }

  async start(): Promise<void> {
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  }

  async restart({ lose = false }: { readonly lose?: boolean } = {}): Promise<void> {
    await this.stop();
    if (lose) this.#catalog.lose();
    await this.start();
  }

  async quiet(): Promise<void> {
    for (let calm = 0, seen = -1; calm < 6; ) {
      await new Promise((resolve) => setImmediate(resolve));
      calm = this.#busy === 0 && this.requests.length === seen ? calm + 1 : 0;
      seen = this.requests.length;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #wake(): void {
    for (const { look } of this.#waiting) look();
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const isGone = new AbortController();
    const closed = once(response, "close").then(() => isGone.abort());
    response.on("error", () => undefined); // the client is gone
    this.#busy++;
    const request = await requestOf(message);
    this.requests.push(request);
    const truth = (): Promise<FakeAnswer> => this.#answer(request, isGone.signal);
    const outcome = this.#faults.reduce<ReturnType<Fault>>(
      (found, fault) => found ?? fault(request, truth),
      undefined,
    );
    this.#busy--;
    if (outcome === "hang") return;
    if (outcome === "cut") return void message.socket.destroy();
    const answer = await (typeof outcome === "object" ? outcome : truth());
    this.#busy++;
    if (outcome === "cut within") cutWithin(response, answer);
    else send(response, answer);
    await closed;
    this.#busy--;
  }

  async #answer(request: FakeRequest, isGone: AbortSignal): Promise<FakeAnswer> {
    const { path, query, method } = request;
    const dc = query.get("dc") ?? "dc1";
    if (dc !== "dc1")
      return { status: 500, body: "No path to datacenter", headers: { "x-consul-index": "1" } };
    const rules = this.#rulesOf(request.token);
    if (rules === undefined) return tokenUnknown;
    const clean = posix.normalize(path);
    if (clean !== path) return { status: 307, headers: { location: clean } };
    if (method === "POST" && path === "/v1/internal/acl/authorize") return this.#authorize(request, rules);
    if (path === "/v1/catalog/services")
      return this.#wait(
        request,
        isGone,
        () => this.#catalog.catalogIndex(),
        rules,
        (by) => this.#catalog.services(by),
      );
    const [, kind, suffix = ""] = /^\/v1\/health\/(service|state)\/(.*)$/.exec(decoded(path)) ?? [];
    if (kind === "state")
      return this.#wait(
        request,
        isGone,
        () => this.#catalog.checksIndex(),
        rules,
        (by) => this.#catalog.checks(suffix, by),
      );
    const name = this.#nameOf(suffix);
    if (kind === "service" && name === "") return { status: 400, body: "Missing service name" };
    if (kind === "service" && name === undefined)
      return { status: 400, body: "invalid characters in the path" };
    if (kind === "service" && name !== undefined)
      return this.#wait(
        request,
        isGone,
        () => this.#catalog.serviceIndex(name),
        undefined,
        (by) => this.#catalog.health(name, by),
      );
    return { status: 404, body: "Invalid URL path: not a recognized HTTP API endpoint" };
  }

  /** undefined = refused with 400: a control character (measured on 1.22.3). */
  #nameOf(suffix: string): string | undefined {
    return /\p{Cc}/u.test(suffix) ? undefined : suffix;
  }

  #rulesOf(token: string): Rules | undefined {
    if (this.#tokens === undefined) return readAll;
    return this.#tokens.get(token) ?? (token === "" ? readNothing : undefined);
  }

  /** What Consul's own UI asks. */
  #authorize({ body }: FakeRequest, rules: Rules): FakeAnswer {
    if (this.#tokens === undefined) return { status: 401, body: "ACL support disabled" };
    const asked = JSON.parse(body) as readonly {
      readonly Resource: "service" | "node";
      readonly Segment: string;
    }[];
    const decisions = asked.map((one) => ({
      ...one,
      Allow: allows(one.Resource === "service" ? rules.services : rules.nodes, one.Segment),
    }));
    return { status: 200, body: JSON.stringify(decisions) };
  }

  /**
   * The answer to a query, at once or when its index has moved. `atFirst` are the rights that count for an answer that was
   * waited for; without it those of its end do. Such an answer never says that it was filtered. Source: measured on 1.22.3.
   */
  async #wait(
    request: FakeRequest,
    isGone: AbortSignal,
    indexNow: () => number,
    atFirst: Rules | undefined,
    read: (rules: Rules) => { readonly body: unknown; readonly isFiltered: boolean },
  ): Promise<FakeAnswer> {
    const { query, token, isWaiting } = request;
    const index = Number(query.get("index") ?? 0);
    if (!Number.isInteger(index) || index < 0) return { status: 400, body: "Invalid index" };
    if (
      isWaiting &&
      indexNow() <= index &&
      !(await this.#untilNews(request, isGone, () => indexNow() > index))
    )
      return tokenUnknown;
    const rules = (isWaiting && atFirst) || this.#rulesOf(token);
    if (rules === undefined) return tokenUnknown;
    const { body, isFiltered } = read(rules);
    const says = isFiltered && !isWaiting && token !== "" && this.#version === "1.22";
    const policy = this.#tokens === undefined ? "allow" : "deny";
    return {
      status: 200,
      headers: {
        "x-consul-index": String(indexNow()),
        "x-consul-knownleader": String(!isWaiting),
        "x-consul-lastcontact": "0",
        ...(this.#version === "1.22" && { "x-consul-effective-consistency": "leader" }),
        ...(this.#version === "1.22" && {
          "x-consul-query-backend": isWaiting ? "streaming" : "blocking-query",
        }),
        ...(this.#version !== "1.8" && { "x-consul-default-acl-policy": policy }),
        ...(says && { "x-consul-results-filtered-by-acls": "true" }),
      },
      body: JSON.stringify(body),
    };
  }

  /** Whether the wait ended in an answer: a token that is deleted ends it at once. */
  #untilNews({ query, token }: FakeRequest, isGone: AbortSignal, isNews: () => boolean): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const look = (): void => {
      if (isNews()) end(true);
    };
    const waiting = { look, token, endsWithToken: () => end(false) };
    const end = (isAnswered: boolean): void => {
      this.#waiting.delete(waiting);
      stopTimer();
      resolve(isAnswered);
    };
    const stopTimer = this.#clock.after(secondsOf(query.get("wait") ?? "300s") * 1_000, () => end(true));
    isGone.addEventListener("abort", () => end(true), { once: true });
    this.#waiting.add(waiting);
    return promise;
  }
}

const tokenUnknown: FakeAnswer = { status: 403, body: "ACL not found" };

const secondsOf = (wait: string): number => Number(/^(\d+)s$/.exec(wait)?.[1] ?? 300);

async function requestOf(message: IncomingMessage): Promise<FakeRequest> {
  const [path = "", query = ""] = (message.url ?? "").split("?", 2);
  const fields = new URLSearchParams(query);
  const chunks = await message.toArray().catch(() => []);
  return {
    method: message.method ?? "GET",
    path,
    query: fields,
    token: String(message.headers["x-consul-token"] ?? ""),
    isWaiting: Number(fields.get("index") ?? 0) > 0,
    body: chunks.map(String).join(""),
  };
}

/** A path as Go's server decodes it. */
function decoded(path: string): string {
  return unescaped(path) ?? path;
}

/** undefined = it cannot be decoded. */
function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function send(response: ServerResponse, { status, headers = {}, body = "" }: FakeAnswer): void {
  response.writeHead(status, { ...(status === 200 && { "content-type": "application/json" }), ...headers });
  response.end(body);
}

/** Half of the answer, and the end of the connection. */
function cutWithin(response: ServerResponse, { status, headers = {}, body = "" }: FakeAnswer): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, { ...headers, "content-length": String(bytes.length + 1) });
  response.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), () => response.socket?.destroy());
}
