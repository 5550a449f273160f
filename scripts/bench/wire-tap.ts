import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A TCP proxy that counts what clients ask for. */
export interface WireTap extends AsyncDisposable {
  readonly port: number;
  /** How many connections were open at once, at most. */
  readonly most: number;
  /** How often `pattern` matched in what clients sent, by what it matched, since `reset`. */
  readonly counts: ReadonlyMap<string, number>;
  reset(): void;
}

/** Listens on `port` of 127.0.0.1, any if 0. A match must lie within what one write sends. */
export async function startWireTap(target: number, pattern: RegExp, port = 0): Promise<WireTap> {
  const counts = new Map<string, number>();
  const open = new Set<Socket>();
  let most = 0;
  const server = createServer((client) => {
    open.add(client);
    most = Math.max(most, open.size);
    client.on("close", () => open.delete(client));
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
    get most() {
      return most;
    },
    counts,
    reset: () => counts.clear(),
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}
