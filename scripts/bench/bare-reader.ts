import type { RegistryAdapter } from "../../src/registries/adapter.ts";

/** A reader of our own without an operator behind it: the floor. */
export interface BareReader extends AsyncDisposable {
  /** When it first sees an instance of the service with this id, in performance.now(). */
  has(id: string, ip: string, port: number): Promise<number>;
}

/** Reads until it is disposed of. */
export function readBare(adapter: RegistryAdapter): BareReader {
  const stop = new AbortController();
  let waiter:
    | { readonly id: string; readonly addr: string; readonly resolve: (at: number) => void }
    | undefined;
  const reading = (async () => {
    for await (const { services: all } of adapter.watch(stop.signal)) {
      const found = waiter && all.get(waiter.id)?.instances;
      if (typeof found !== "object" || !waiter) continue;
      if (found.some((one) => `${one.address}:${one.port}` === waiter?.addr))
        waiter.resolve(performance.now());
    }
  })();
  return {
    has(id, ip, port) {
      const { promise, resolve } = Promise.withResolvers<number>();
      waiter = { id, addr: `${ip}:${port}`, resolve };
      return promise;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await reading;
    },
  };
}
