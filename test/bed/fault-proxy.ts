import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { pipeline } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../support/free-port.ts";

/** A TCP proxy on 127.0.0.1 that does to connections what bad networks do. Starts healed. */
export interface FaultProxy extends AsyncDisposable {
  /** `127.0.0.1:<port>`. */
  readonly address: string;
  readonly port: number;
  /** How many connections were accepted so far, and how many are open now. */
  readonly accepted: number;
  readonly open: number;
  /** How many bytes the target has said to clients. */
  readonly answeredBytes: number;
  /** How many bytes {@link swallow} has lost. */
  readonly swallowedBytes: number;
  /** Resets every open connection; new ones are served as before. */
  cut(): void;
  /** Resets every open connection and stops listening: new ones are refused. */
  refuse(): Promise<void>;
  /** Connections are accepted and stay open; nothing is forwarded until {@link heal}, then what was held back is. */
  stall(): void;
  /** Connections are accepted and stay open; what they send is read and lost. */
  swallow(): void;
  /** Forwards this many bytes per second in each direction of each connection. */
  trickle(bytesPerSecond: number): void;
  /** Forwards everything again. Connections that lost bytes to {@link swallow} are reset. */
  heal(): Promise<void>;
}

type Mode =
  | { readonly kind: "pass" | "stall" | "swallow" }
  | { readonly kind: "trickle"; readonly bytesPerSecond: number };

const TRICKLE_EVERY_MS = 50;

/** How a proxy is started. */
export interface ProxyOptions {
  /** Where it listens. Default: a free port. */
  readonly port?: number;
  /**
   * Whether a client that says no more may still wait for an answer. Default: yes. HTTP has no use for that, and a server
   * that only looks when it answers would keep the connection open.
   */
  readonly halfOpen?: boolean;
}

/**
 * Starts a proxy in front of `targetHost:targetPort`; the target need not be up. Of several ports each connection goes to
 * the next, as balancers of connections do.
 */
export async function startProxy(
  targetHost: string,
  targetPort: number | readonly number[],
  options: ProxyOptions = {},
): Promise<FaultProxy> {
  const { port = await freePort(), halfOpen: allowHalfOpen = true } = options;
  const targetPorts = [targetPort].flat();
  const clients = new Set<Socket>();
  const lossy = new Set<Socket>();
  let mode: Mode = { kind: "pass" };
  let modeChanged = Promise.withResolvers<void>();
  let accepted = 0;
  let answeredBytes = 0;
  let swallowedBytes = 0;
  let server: Server | undefined = await listen();

  async function listen(): Promise<Server> {
    const listener = createServer({ allowHalfOpen }, accept).listen(port, "127.0.0.1");
    await once(listener, "listening");
    return listener;
  }

  function accept(client: Socket): void {
    const next = targetPorts[accepted % targetPorts.length] ?? 0;
    accepted++;
    clients.add(client);
    client.on("close", () => clients.delete(client));
    const target = connect({ host: targetHost, port: next, allowHalfOpen: true });
    const reset = () => {
      client.resetAndDestroy();
      target.destroy();
    };
    const shaped = (source: AsyncIterable<Buffer>) => shape(source, client);
    // Whatever ends one side, ends the other: the proxy itself has nothing to say about it.
    pipeline(client, shaped, target, (error) => error && reset());
    pipeline(target, shaped, counted, client, (error) => error && reset());
  }

  async function* counted(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      answeredBytes += chunk.length;
      yield chunk;
    }
  }

  /** One direction of one connection, as the mode of the moment has it. */
  async function* shape(source: AsyncIterable<Buffer>, client: Socket): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      for (let rest = chunk; rest.length > 0; ) {
        const now = mode; // it may change during an await
        if (now.kind === "stall") {
          await modeChanged.promise;
        } else if (now.kind === "swallow") {
          lossy.add(client);
          swallowedBytes += rest.length;
          break;
        } else if (now.kind === "trickle") {
          const size = Math.ceil((now.bytesPerSecond * TRICKLE_EVERY_MS) / 1000);
          await Promise.race([delay(TRICKLE_EVERY_MS), modeChanged.promise]);
          yield rest.subarray(0, size);
          rest = rest.subarray(size);
        } else {
          yield rest;
          break;
        }
      }
    }
  }

  function change(next: Mode): void {
    mode = next;
    modeChanged.resolve();
    modeChanged = Promise.withResolvers();
  }
  function cut(which: ReadonlySet<Socket> = clients): void {
    for (const client of which) client.resetAndDestroy();
  }
  async function refuse(): Promise<void> {
    const closed = server && once(server, "close");
    server?.close();
    server = undefined;
    cut();
    await closed;
  }

  return {
    address: `127.0.0.1:${port}`,
    port,
    get accepted() {
      return accepted;
    },
    get open() {
      return clients.size;
    },
    get answeredBytes() {
      return answeredBytes;
    },
    get swallowedBytes() {
      return swallowedBytes;
    },
    cut: () => cut(),
    refuse,
    stall: () => change({ kind: "stall" }),
    swallow: () => change({ kind: "swallow" }),
    trickle: (bytesPerSecond) => change({ kind: "trickle", bytesPerSecond }),
    async heal() {
      change({ kind: "pass" });
      cut(lossy);
      lossy.clear();
      server ??= await listen();
    },
    async [Symbol.asyncDispose]() {
      await refuse();
      change({ kind: "pass" }); // lets go of what waits in a stall
    },
  };
}
