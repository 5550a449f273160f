import { setTimeout as delay } from "node:timers/promises";
import type { EurekaInstance, EurekaRest } from "../support/eureka-rest.ts";
import { eventually } from "../support/eventually.ts";

/** One provider process as Eureka sees it. Disposal ends it; its leases run out. */
export interface Pod extends AsyncDisposable {
  /** Returns once they are registered. */
  add(apps: readonly string[]): Promise<void>;
  /** As at its orderly end. */
  remove(apps: readonly string[]): Promise<void>;
  /** Renews these no more. */
  forget(apps: readonly string[]): void;
}

const REGISTER_MS = 20_000;

/**
 * A process that keeps its leases as Eureka's client does: it renews each every `renewMs`, and registers again what the
 * server answers 404 to. Source: Netflix/eureka, DiscoveryClient.renew.
 */
export function startPod(rest: EurekaRest, instance: EurekaInstance, renewMs: number): Pod {
  const apps = new Set<string>();
  const stopping = new AbortController();
  const keep = async (app: string): Promise<void> => {
    const isKnown = await rest.renew(app, instance);
    if (!isKnown && apps.has(app)) await rest.register(app, instance);
  };
  const living = (async () => {
    while (!stopping.signal.aborted) {
      await Promise.allSettled([...apps].map(keep)); // a server that is away now is asked again at the next renewal
      await delay(renewMs, undefined, { signal: stopping.signal }).catch(() => undefined); // the end of the loop
    }
  })();
  const forget = (gone: readonly string[]): void => {
    for (const app of gone) apps.delete(app);
  };
  return {
    async add(more) {
      await Promise.all(more.map((app) => eventually(() => rest.register(app, instance), REGISTER_MS, 250)));
      for (const app of more) apps.add(app);
    },
    async remove(gone) {
      forget(gone);
      await Promise.all(
        gone.map((app) => eventually(() => rest.deregister(app, instance), REGISTER_MS, 250)),
      );
    },
    forget,
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await living;
    },
  };
}
