import { createClient } from "../../src/kube/client.ts";
import { createReflector, type Reflector } from "../../src/kube/reflector.ts";
import { resources } from "../../src/kube/resources.ts";
import type { ServiceEntry } from "../../src/model/istio.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import type { Deps } from "../../src/runtime/deps.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import { type ApiServer, startApiServer } from "../../test/bed/api-server.ts";
import { applyInstall } from "../../test/support/install.ts";

/** Where the bench's hub is, and what it generates. */
export const namespace = "bench";

export const deps: Deps = {
  clock: systemClock,
  random: Math.random,
  logger: createLogger("error", { write: () => undefined }),
};

/** A real API server with the CRDs and the namespace. */
export async function startCluster(): Promise<ApiServer> {
  await using starting = new AsyncDisposableStack();
  const api = starting.use(await startApiServer());
  await api.applyCrds();
  await applyInstall(api, "crd");
  await api.kubectl(["create", "namespace", namespace]);
  starting.move();
  return api;
}

/** The ServiceEntries of a cluster, and when they change. */
export interface EntryWatch extends AsyncDisposable {
  /** Events of entries so far. */
  readonly events: number;
  /** When there are so many entries, in performance.now(). @throws Error when that takes longer than `withinMs`. */
  reached(count: number, withinMs: number): Promise<number>;
  /** In performance.now(). */
  has(host: string, ip: string, port: number): Promise<number>;
}

/** The ServiceEntries as an API client sees them, from now on. */
export async function watchEntries(api: ApiServer): Promise<EntryWatch> {
  const stop = new AbortController();
  const client = createClient({ kubeconfig: api.kubeconfig, userAgent: "bench", concurrency: 4 }, deps);
  const entries: Reflector<ServiceEntry> = createReflector(client, resources.serviceEntries, {}, deps);
  const listed = Promise.withResolvers<void>();
  let full: { readonly count: number; readonly resolve: (at: number) => void } | undefined;
  const waiting = new Map<
    string,
    { readonly isThere: (entry: ServiceEntry) => boolean; readonly resolve: (at: number) => void }
  >();
  let events = 0;
  entries.subscribe((keys) => {
    const now = performance.now();
    if (entries.status.state === "synced") listed.resolve();
    if (full && entries.objects.size >= full.count) full.resolve(now);
    for (const key of keys) {
      events++;
      const entry = entries.objects.get(key);
      const host = entry?.spec.hosts?.[0] ?? "";
      const waiter = waiting.get(host);
      if (entry && waiter?.isThere(entry)) waiter.resolve(now);
    }
  });
  const running = entries.run(stop.signal);
  await listed.promise;
  return {
    get events() {
      return events;
    },
    async reached(count, withinMs) {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      full = { count, resolve };
      if (entries.objects.size >= count) resolve(performance.now());
      const late = setTimeout(
        () => reject(new Error(`${entries.objects.size} of ${count} entries`)),
        withinMs,
      );
      try {
        return await promise;
      } finally {
        clearTimeout(late);
      }
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
