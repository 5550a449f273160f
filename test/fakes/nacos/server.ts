import { once } from "node:events";
import type { Server as HttpServer } from "node:http";
import type { Http2Server } from "node:http2";
import { systemClock } from "../../../src/runtime/clock.ts";
import type { Clock } from "../../../src/runtime/deps.ts";
import { freePort } from "../../support/free-port.ts";
import { Access } from "./access.ts";
import { FakeData, type FakeInstance, type FakeUser, type Key, type Place } from "./data.ts";
import { GrpcFront } from "./grpc-front.ts";
import { createHttpFront } from "./http-front.ts";
import { type FakeRequest, type Match, type Reaction, Script } from "./script.ts";

/** 2.0 negotiates nothing, 2.3 lists all groups over HTTP, 3.1 names services itself and has an admin API. */
export type FakeVersion = "2.0" | "2.3" | "3.1";

/** How a fake is started. */
export interface FakeNacosOptions {
  readonly version?: FakeVersion;
  /** Who may log in. Default: nobody has to. */
  readonly users?: readonly FakeUser[];
  /** For its own times: tokens, how long an empty service is listed, how late it pushes. Default: the machine's. */
  readonly clock?: Pick<Clock, "after" | "monotonic">;
  /** How long it collects changes before a push; a real one 500 ms. Default: none. */
  readonly pushMs?: number;
  /** Where it listens. Default: a free port of 127.0.0.1. */
  readonly host?: string;
  readonly port?: number;
}

/**
 * A Nacos in this process, for readers: its gRPC, its login, and its lists of all groups. It answers as servers of that
 * version do, until it is told to answer badly.
 */
export interface FakeNacos extends AsyncDisposable {
  /** `<host>:<port>`; gRPC is 1000 above. */
  readonly address: string;
  readonly port: number;
  readonly front: GrpcFront;
  readonly access: Access;
  readonly data: FakeData;
  register(service: string, instances: readonly FakeInstance[], at?: Place): void;
  /** Without `instances` all of them. */
  deregister(service: string, instances?: readonly FakeInstance[], at?: Place): void;
  /** undefined removes it. */
  setConfig(dataId: string, group: string, content: string | undefined, namespace?: string): void;
  /** From now on, for the next `times` of these requests. */
  fault(match: Match, reaction: Reaction, times?: number): void;
  /** Takes every fault back. */
  heal(): void;
  /** Everything that was asked. */
  readonly requests: FakeRequest[];
  count(match: Match): number;
  /** How many clients are connected, and how many are subscribed to a service. */
  readonly connections: number;
  subscribers(service: string, at?: Place): number;
  /** Breaks every connection and stops listening. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Stops and starts; with `lose` without any service. */
  restart(options?: { readonly lose?: boolean }): Promise<void>;
  /** Asks every client to connect anew. */
  resetClients(): void;
}

/** Starts one; it is ready. */
export async function startFakeNacos(options: FakeNacosOptions = {}): Promise<FakeNacos> {
  const { version = "2.3", users = [], clock = systemClock, pushMs = 0, host = "127.0.0.1" } = options;
  const data = new FakeData(clock);
  for (const user of users) data.users.set(user.username, user);
  const access = new Access(data, clock, users.length > 0);
  const script = new Script();
  const common = { version, data, access, script, clock };
  const http = createHttpFront(common);
  const front = new GrpcFront({ ...common, pushMs });
  const port = options.port ?? (await freePort([1_000]));
  const keyOf = (name: string, { namespace = "public", group = "DEFAULT_GROUP" }: Place = {}): Key => ({
    namespace,
    group,
    name,
  });
  const start = async (): Promise<void> => {
    await Promise.all([listen(http, host, port), listen(front.server, host, port + 1_000)]);
  };
  const stop = async (): Promise<void> => {
    http.closeAllConnections();
    await Promise.all([close(http), close(front.server, () => front.cut())]);
  };
  await start();
  return {
    address: `${host}:${port}`,
    port,
    front,
    access,
    data,
    register: (service, instances, at) => data.register(keyOf(service, at), instances),
    deregister: (service, instances, at) => data.deregister(keyOf(service, at), instances),
    setConfig: (dataId, group, content, namespace = "public") =>
      data.setConfig(namespace, dataId, group, content),
    fault: (match, reaction, times) => script.fault(match, reaction, times),
    heal: () => script.heal(),
    requests: script.requests,
    count: (match) => script.count(match),
    get connections() {
      return front.clients.size;
    },
    subscribers: (service, at) => front.subscribersOf(keyOf(service, at)),
    stop,
    start,
    async restart({ lose = false } = {}) {
      await stop();
      if (lose) data.lose();
      await start();
    },
    resetClients: () => front.push("ConnectResetRequest", { module: "internal" }),
    [Symbol.asyncDispose]: stop,
  };
}

async function listen(server: HttpServer | Http2Server, host: string, port: number): Promise<void> {
  server.listen(port, host);
  await once(server, "listening");
}

async function close(server: HttpServer | Http2Server, cut: () => void = () => undefined): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, "close");
  server.close();
  cut();
  await closed;
}
