import { createClient } from "../../src/kube/client.ts";
import { createReflector, type Reflector } from "../../src/kube/reflector.ts";
import { resources } from "../../src/kube/resources.ts";
import type { ServiceEntry } from "../../src/model/istio.ts";
import type { ApiServer } from "../../test/bed/api-server.ts";
import { deps } from "./deps.ts";

/** The ServiceEntries of a cluster, and when they came to be so. */
export interface EntryWatch extends AsyncDisposable {
  /** Events of entries so far. */
  readonly events: number;
  expectEntries(count: number): void;
  /** In performance.now(). */
  has(host: string, ip: string, port: number): Promise<number>;
}

/** The ServiceEntries as an API client sees them. */
export function watchEntries(api: ApiServer): EntryWatch {
  const stop = new AbortController();
  const client = createClient({ kubeconfig: api.kubeconfig, userAgent: "bench", concurrency: 4 }, deps);
  const entries: Reflector<ServiceEntry> = createReflector(client, resources.serviceEntries, {}, deps);
  const waiting = new Map<
    string,
    { readonly isThere: (entry: ServiceEntry) => boolean; readonly resolve: (at: number) => void }
  >();
  let events = 0;
  entries.subscribe((keys) => {
    const now = performance.now();
    for (const key of keys) {
      events++;
      const entry = entries.objects.get(key);
      const host = entry?.spec.hosts?.[0] ?? "";
      const waiter = waiting.get(host);
      if (entry && waiter?.isThere(entry)) waiter.resolve(now);
    }
  });
  const running = entries.run(stop.signal);
  return {
    get events() {
      return events;
    },
    expectEntries(count) {
      if (entries.objects.size < count) throw new Error(`${entries.objects.size} of ${count} entries`);
    },
    async has(host, ip, port) {
      const isThere = ({ spec }: ServiceEntry): boolean =>
        (spec.endpoints ?? []).some(
          (one) => one.address === ip && Object.values(one.ports ?? {}).includes(port),
        );
      const { promise, resolve } = Promise.withResolvers<number>();
      waiting.set(host, { isThere, resolve });
      const at = await promise;
      waiting.delete(host);
      return at;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
      await client.close();
    },
  };
}
