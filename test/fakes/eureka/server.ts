import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { systemClock } from "../../../src/runtime/clock.ts";
import type { Clock } from "../../../src/runtime/deps.ts";
import { type EurekaInstance, idOf, infoOf } from "../../support/eureka-rest.ts";
import { Applications } from "./applications.ts";
import { type Fault, misbehave } from "./faults.ts";

export interface FakeEurekaOptions {
  /** Of the response cache, the uptime and delays. Default: the machine's. */
  readonly clock?: Clock;
  /** Who has to log in, by HTTP Basic. Default: nobody. */
  readonly login?: { readonly username: string; readonly password: string };
  /** For how long an answer is repeated, whatever changes; a real server's default is 30 s. Default: not at all. */
  readonly cacheMs?: number;
  /** How long the process has been running. Default: five minutes. */
  readonly uptimeMs?: number;
  /** Whether answers are in gzip for whoever takes it. Default: yes, as a real one's; unzipping takes time that no clock counts. */
  readonly gzip?: boolean;
  /** Servers to which changes are replicated, and back; their data is there at once. */
  readonly peers?: readonly FakeEureka[];
}

/** An instance as a test registers it. */
export interface FakeInstance {
  readonly address: string;
  readonly port: number;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Whatever else of an InstanceInfo, or instead of what is above. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** What a reader asked. */
export interface Asked {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
}

/**
 * A Eureka server in this process, as Spring Cloud's answers, or as badly as `fault` says. Clients' REST operations
 * work on it. It does not evict: an instance stays until it is deregistered.
 */
export interface FakeEureka extends AsyncDisposable {
  /** `http://127.0.0.1:<port>/eureka`. */
  readonly address: string;
  readonly port: number;
  readonly login: FakeEurekaOptions["login"];
  /** Grows for ever, unless somebody empties it. */
  readonly asked: Asked[];
  /** How many connections were accepted. */
  readonly accepted: number;
  register(service: string, instances: readonly FakeInstance[]): void;
  deregister(service: string, instances: readonly FakeInstance[]): void;
  setStatus(service: string, instance: FakeInstance, status: string): void;
  /**
   * Answers requests to `/apps` or `/status` so: the next `times` of them, default all. Returns how it is put right; the
   * newest fault counts.
   */
  fault(path: "/apps" | "/status", fault: Fault, times?: number): () => void;
  /** Puts everything right. */
  heal(): void;
  /** As a stopped process: connections are accepted and stay open, and nothing is answered until `thaw`. */
  freeze(): void;
  thaw(): void;
  /** Neither tells its peers of changes nor hears of theirs, until it restarts. */
  isolate(): void;
  /** Closes every connection; requests under way get no answer. */
  cut(): void;
  stop(): Promise<void>;
  /**
   * Another process on the same port, and no moment without one: without its data, or as if every client had registered
   * again.
   */
  restart(options: { readonly lose: boolean; readonly uptimeMs?: number }): Promise<void>;
  /** For its peers. */
  readonly applications: Applications;
}

const prefix = "/eureka";
let processes = 0;

export async function startFakeEureka(options: FakeEurekaOptions = {}): Promise<FakeEureka> {
  const { clock = systemClock, login, cacheMs = 0, gzip = true, peers = [] } = options;
  const applications = new Applications();
  const asked: Asked[] = [];
  const faults: { readonly path: string; readonly fault: Fault; left: number }[] = [];
  let thawing: PromiseWithResolvers<void> | undefined;
  let accepted = 0;
  let startedAt = clock.monotonic() - (options.uptimeMs ?? 300_000);
  let processId = `fake-${++processes}`;
  let cached: { readonly text: string; readonly at: number } | undefined;
  let server: Server | undefined;
  let port = 0;

  const listed = (): string => {
    if (cached === undefined || clock.monotonic() - cached.at >= cacheMs)
      cached = { text: applications.toJson(), at: clock.monotonic() };
    return cached.text;
  };

  const end = (request: IncomingMessage, response: ServerResponse, ...said: Said): void =>
    respond(gzip ? request : undefined, response, ...said);
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://fake");
    const path = pathname.slice(prefix.length);
    asked.push({ path, headers: request.headers });
    await thawing?.promise;
    const next = faults.findLast((one) => one.path === path && one.left > 0);
    if (next !== undefined) {
      next.left--;
      if ((await misbehave(next.fault, request, response, clock)) === "answered") return;
    }
    const authorization = login && `Basic ${btoa(`${login.username}:${login.password}`)}`;
    if (authorization !== undefined && request.headers.authorization !== authorization)
      return end(request, response, 401, "");
    if (!pathname.startsWith(prefix)) return end(request, response, 404, "");
    const wantsXml = !/json/.test(request.headers.accept ?? "");
    if (request.method !== "GET") {
      const body = (await request.toArray()).map(String).join("");
      return end(request, response, applications.change(request.method ?? "", path, searchParams, body), "");
    }
    if (path === "/apps") {
      if (wantsXml) return end(request, response, 200, "<applications/>", "application/xml");
      return end(request, response, 200, listed(), "application/json");
    }
    if (path !== "/status") return end(request, response, 404, "");
    if (!wantsXml) return end(request, response, 500, "");
    const uptimeMs = clock.monotonic() - startedAt;
    return end(
      request,
      response,
      200,
      statusXml(`${processId}:8761`, startedAt, uptimeMs),
      "application/xml",
    );
  };

  const start = async (): Promise<void> => {
    server = createServer((request, response) => {
      answer(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
    server.keepAliveTimeout = 0; // it keeps idle connections, and does not say for how long
    server.on("connection", () => accepted++);
    server.listen(port, "127.0.0.1");
    await new Promise((resolve) => server?.once("listening", resolve));
    port = (server.address() as AddressInfo).port;
  };
  const stop = async (): Promise<void> => {
    const closed = new Promise((resolve) => server?.close(resolve));
    server?.closeAllConnections();
    if (server !== undefined) await closed;
    server = undefined;
  };

  for (const peer of peers) applications.join(peer.applications);
  await start();
  return {
    address: `http://127.0.0.1:${port}${prefix}`,
    port,
    login,
    asked,
    applications,
    get accepted() {
      return accepted;
    },
    register: (service, instances) => {
      for (const one of instances) applications.set(service, infoOf(service, restOf(one)));
    },
    deregister: (service, instances) => {
      for (const one of instances) applications.delete(service, idOf(service, restOf(one)));
    },
    setStatus: (service, instance, status) =>
      applications.setStatus(service, idOf(service, restOf(instance)), status),
    fault(path, fault, times = Number.POSITIVE_INFINITY) {
      const one = { path, fault, left: times };
      faults.push(one);
      return () => {
        one.left = 0;
        faults.splice(0, faults.length, ...faults.filter(({ left }) => left > 0));
      };
    },
    heal: () => faults.splice(0),
    freeze: () => {
      thawing ??= Promise.withResolvers();
    },
    thaw: () => {
      thawing?.resolve();
      thawing = undefined;
    },
    isolate: () => applications.leave(),
    cut: () => server?.closeAllConnections(),
    stop,
    async restart({ lose, uptimeMs = 0 }) {
      processId = `fake-${++processes}`;
      startedAt = clock.monotonic() - uptimeMs;
      cached = undefined;
      if (lose) applications.lose();
      for (const peer of peers) applications.join(peer.applications);
      server?.closeAllConnections();
      if (server === undefined) await start();
    },
    async [Symbol.asyncDispose]() {
      thawing?.resolve();
      await stop();
    },
  };
}

const restOf = ({ address, port, metadata, fields }: FakeInstance): EurekaInstance => ({
  ip: address,
  port,
  ...(metadata && { metadata }),
  ...(fields && { fields }),
});

type Said = readonly [status: number, text: string, type?: string];

/** As Spring Cloud's server: in gzip if the request takes it. */
function respond(
  request: IncomingMessage | undefined,
  response: ServerResponse,
  ...[status, text, type = "text/plain"]: Said
): void {
  const isZipped = text.length > 0 && /gzip/.test(`${request?.headers["accept-encoding"]}`);
  response.writeHead(status, { "content-type": type, ...(isZipped && { "content-encoding": "gzip" }) });
  response.end(isZipped ? gzipSync(text) : text);
}

/** Source: measured on Spring Cloud 2025.0; the uptime as StatusInfo.getUpTime of Netflix/eureka has it. */
function statusXml(instanceId: string, startedAt: number, uptimeMs: number): string {
  const minutes = Math.floor(uptimeMs / 60_000);
  const days = Math.floor(minutes / 1_440);
  const two = (count: number): string => String(count).padStart(2, "0");
  const uptime = `${days > 0 ? `${days} day${days > 1 ? "s" : ""} ` : ""}${two(Math.floor(minutes / 60) % 24)}:${two(minutes % 60)}`;
  return `<com.netflix.eureka.util.StatusInfo><generalStats><server-uptime>${uptime}</server-uptime></generalStats><instanceInfo><instanceId>${instanceId}</instanceId><lastUpdatedTimestamp>${Math.round(startedAt)}</lastUpdatedTimestamp></instanceInfo></com.netflix.eureka.util.StatusInfo>`;
}
