import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";

/** A TCP proxy that counts what clients ask for. */
export interface WireTap extends AsyncDisposable {
  readonly port: number;
  /** Connections accepted so far. */
  readonly connections: number;
  /** How often `pattern` matched in what clients sent, by what it matched, since `reset`. */
  readonly counts: ReadonlyMap<string, number>;
  reset(): void;
}

/** Listens on `port` of 127.0.0.1, any if 0. A match must lie within what one write sends. */
export async function startWireTap(target: number, pattern: RegExp, port = 0): Promise<WireTap> {
  const counts = new Map<string, number>();
  let connections = 0;
  const server = createServer((client) => {
    connections++;
    const upstream = connect(target, "127.0.0.1");
    client.on("data", (chunk: Buffer) => {
      for (const [match] of chunk.toString("latin1").matchAll(pattern))
        counts.set(match, (counts.get(match) ?? 0) + 1);
    });
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
    }
  }).listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    counts,
    reset: () => counts.clear(),
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}
